"""CutMix, from counts of the pixels that it pasted and the boxes of the paper drawn by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import cutmix

SIZE = 100
ALL = np.ones(SIZE, bool)
LABELS = np.arange(SIZE) % 4


def numbered(size, spatial, dtype=np.float32):
    """Images whose pixels are the number of their example."""
    return np.broadcast_to(np.arange(size).reshape(-1, *[1] * (len(spatial) + 1)), (size, *spatial, 2)).astype(dtype)


def images():
    """A tree of images with the numbers of their examples, in several dtypes."""
    return {
        "image": numbered(SIZE, (6, 5)),
        "uint8": numbered(SIZE, (6, 5), np.uint8),
        "mask": numbered(SIZE, (6, 5), np.int32)[..., :1],
        "depth": numbered(SIZE, (6, 5)).astype(jnp.bfloat16),
        "flag": numbered(SIZE, (6, 5))[..., :1] % 2 > 0,
    }


@jax.jit
def run(alpha, where):
    with jax.numpy_dtype_promotion("strict"):
        return cutmix(jax.random.key(0), images(), LABELS, alpha, num_classes=4, where=where)


def pasted(x, mixed):
    """The pixels that changed, which are the partner's, as a mask without channels."""
    change = np.asarray(x != mixed.x)
    assert (change == change[..., :1]).all()
    partner = np.asarray(x)[np.asarray(mixed.partner)]
    np.testing.assert_array_equal(mixed.x, np.where(change, partner, x))
    return change[..., 0]


def is_box(mask):
    filled = np.ones_like(mask)
    for axis in range(mask.ndim):
        along = mask.any(tuple(a for a in range(mask.ndim) if a != axis))
        index = np.flatnonzero(along)
        assert index.size == 0 or (np.diff(index) == 1).all()
        filled &= np.expand_dims(along, [a for a in range(mask.ndim) if a != axis])
    return (mask == filled).all()


def assert_true_weights(x, mixed):
    masks = pasted(x, mixed)
    assert all(is_box(mask) for mask in masks)
    share = 1 - masks.reshape(SIZE, -1).mean(1)
    np.testing.assert_allclose(mixed.weight, share, rtol=2e-7, atol=1e-7)
    own, other = np.eye(4)[LABELS], np.eye(4)[LABELS[np.asarray(mixed.partner)]]
    np.testing.assert_allclose(mixed.y, share[:, None] * own + (1 - share[:, None]) * other, atol=1e-6)
    return masks


@pytest.mark.parametrize("spatial", [(7,), (4, 5, 3)], ids=str)
def test_the_weight_is_the_share_of_pixels_that_stay(spatial):
    x, soft = numbered(SIZE, spatial), np.eye(4, dtype=np.float32)[LABELS]
    masks = assert_true_weights(x, jax.jit(cutmix)(jax.random.key(0), x, soft, 1.0))
    assert len(np.unique(masks, axis=0)) > 20


def test_images_of_a_tree_get_the_same_box_and_keep_their_dtypes():
    mixed = run(1.0, ALL)
    masks = assert_true_weights(images()["image"], mixed._replace(x=mixed.x["image"]))
    assert len(np.unique(masks, axis=0)) > 20
    assert {k: v.dtype for k, v in mixed.x.items()} == {k: v.dtype for k, v in images().items()}
    for name in ("uint8", "depth"):
        np.testing.assert_array_equal(mixed.x[name].astype(np.float32), mixed.x["image"])
    np.testing.assert_array_equal(mixed.x["mask"].astype(np.float32), mixed.x["image"][..., :1])
    np.testing.assert_array_equal(mixed.x["flag"], mixed.x["mask"] % 2 > 0)


def test_one_box_can_serve_the_batch():
    x = images()["image"]
    one = jax.jit(lambda key: cutmix(key, x, LABELS, 1.0, num_classes=4, per_example=False))(jax.random.key(3))
    masks = assert_true_weights(x, one)
    assert masks.any() and (masks == masks[0]).all()


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_boxes_have_the_distribution_of_the_paper(alpha):
    height, width, draws = 6, 9, 20_000
    image = numbered(draws, (height, width))
    masks = pasted(image, jax.jit(cutmix)(jax.random.key(0), image, None, alpha))
    generator = np.random.default_rng(0)
    share = np.sqrt(1 - generator.beta(alpha, alpha, draws))
    expected = np.ones((draws, height, width), bool)
    for axis, size in ((1, height), (2, width)):
        side = np.rint(size * share).astype(int)
        low = generator.integers(0, size, draws) - side // 2
        index = np.arange(size)
        along = (index >= low[:, None]) & (index < (low + side)[:, None])
        expected &= along[:, :, None] if axis == 1 else along[:, None]
    spread = np.sqrt((masks.var(0) + expected.var(0)) / draws)
    assert np.all(np.abs(masks.mean(0) - expected.mean(0)) < 5 * spread)
    areas, wanted = masks.mean((1, 2)), expected.mean((1, 2))
    for power in (1, 2):
        deviation = np.sqrt(((areas**power).var() + (wanted**power).var()) / draws)
        assert abs((areas**power).mean() - (wanted**power).mean()) < 5 * deviation
    empty = masks.any((1, 2)).mean() - expected.any((1, 2)).mean()
    assert abs(empty) < 5 * np.sqrt(0.5 / draws)


def test_alpha_zero_is_the_identity():
    mixed = run(0.0, ALL)
    jax.tree.map(np.testing.assert_array_equal, mixed.x, images())
    np.testing.assert_array_equal(mixed.y, np.eye(4)[LABELS])
    np.testing.assert_array_equal(mixed.weight, 1)


@pytest.mark.parametrize("alpha", [1e-30, 1e-3])
def test_near_alpha_zero_half_of_the_boxes_are_large(alpha):
    # lambda is 0 or 1, and what is left of a box of the size of the image is 3 by 2 pixels at least.
    weight = run(alpha, ALL).weight
    assert np.all((weight == 1) | (weight <= 1 - 3 * 2 / 30 + 1e-6))
    assert 25 < int((weight == 1).sum()) < 75


def test_only_the_examples_of_the_mask_are_mixed():
    x, where = images()["image"], np.arange(SIZE) % 3 > 0
    mixed = run(1.0, where)
    np.testing.assert_array_equal(mixed.x["image"][~where], x[~where])
    np.testing.assert_array_equal(mixed.y[~where], np.eye(4)[LABELS[~where]])
    np.testing.assert_array_equal(mixed.weight[~where], 1)
    assert (mixed.weight < 1).sum() > 40
    assert set(np.unique(mixed.x["image"][where]).tolist()) <= set(np.flatnonzero(where).tolist())
    alone = run(1.0, np.arange(SIZE) == 2)
    np.testing.assert_array_equal(alone.x["image"], x)
    np.testing.assert_array_equal(alone.weight, 1)


@pytest.mark.parametrize("size", [0, 1])
def test_batches_without_partners_stay_as_they_are(size):
    x = numbered(size, (6, 5))
    labels = np.zeros(size, int)
    mixed = jax.jit(lambda key: cutmix(key, x, labels, 1.0, num_classes=2))(jax.random.key(0))
    np.testing.assert_array_equal(mixed.x, x)
    np.testing.assert_array_equal(mixed.weight, np.ones(size))
    assert mixed.y.shape == (size, 2)


def test_gradients_go_where_the_pixels_went():
    x = images()["image"]

    def total(x, alpha):
        mixed = cutmix(jax.random.key(0), x, None, alpha)
        return mixed.x.sum(), mixed

    (slope, to_alpha), mixed = jax.jit(jax.grad(total, (0, 1), has_aux=True))(x, 1.0)
    kept = ~pasted(x, mixed)
    expected = kept.astype(np.float32)
    np.add.at(expected, np.asarray(mixed.partner), ~kept)
    np.testing.assert_array_equal(slope[..., 0], expected)
    assert to_alpha == 0


@pytest.mark.usefixtures("enable_x64", "strict_promotion")
def test_double_precision():
    x, where = jnp.zeros((4, 3, 3, 1)), jnp.arange(4) < 3
    mixed = jax.jit(lambda key, alpha: cutmix(key, x, x[:, 0], alpha, where=where))(jax.random.key(0), 1.0)
    assert (mixed.x.dtype, mixed.y.dtype, mixed.weight.dtype) == (jnp.float64, jnp.float64, jnp.float32)


def test_mistakes_are_named():
    x = numbered(6, (5, 4))
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, \*spatial, channels\] with 1 or more"):
        cutmix(jax.random.key(0), x[:, 0, 0], None, 1.0)
    with pytest.raises(ValueError, match=r"`x\[1\]` must have the spatial shape \(5, 4\) of `x\[0\]`, got shape"):
        cutmix(jax.random.key(0), [x, x[:, :4]], None, 1.0)
    with pytest.raises(ValueError, match=r"`x` must have spatial axes that are not empty, got shape \(6, 0, 4, 2\)"):
        cutmix(jax.random.key(0), x[:, :0], None, 1.0)
    with pytest.raises(ValueError, match=r"`y` must have the 6 examples of `x`, got shape \(5,\)"):
        cutmix(jax.random.key(0), x, np.zeros(5), 1.0)
    with pytest.raises(ValueError, match="`num_classes` must be given for the integer labels `y`"):
        cutmix(jax.random.key(0), x, np.zeros(6, int), 1.0)
    with pytest.raises(ValueError, match="`alpha` must be finite and >= 0, got -1"):
        cutmix(jax.random.key(0), x, None, -1)
    with pytest.raises(TypeError, match="`per_example` must be True or False, got None"):
        cutmix(jax.random.key(0), x, None, 1.0, per_example=None)
    with pytest.raises(TypeError, match="`where` must be a boolean array, got dtype float32"):
        cutmix(jax.random.key(0), x, None, 1.0, where=np.ones(6, np.float32))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        cutmix(0, x, None, 1.0)
