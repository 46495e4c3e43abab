"""Random crops, against all windows of NumPy's padding."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import random_crop

MODES = ["constant", "edge", "reflect", "symmetric", "wrap"]


def distinct(batch, *shape, dtype=np.float32):
    return (1 + np.arange(batch * np.prod(shape))).reshape(batch, *shape).astype(dtype)


def crop(x, **options):
    return jax.jit(lambda key, x: random_crop(key, x, **options))(jax.random.key(0), x)


def offsets_of(y, padded):
    """Returns for each example the offset of the one window that it equals."""
    rooms = [range(p - s + 1) for p, s in zip(padded.shape[1:-1], y.shape[1:-1], strict=True)]
    offsets = np.array(list(itertools.product(*rooms)))
    windows = [
        padded[(slice(None), *(slice(o, o + s) for o, s in zip(offset, y.shape[1:-1], strict=True)))]
        for offset in offsets
    ]
    found = np.stack([(y == window).all(axis=tuple(range(1, y.ndim))) for window in windows])
    assert (found.sum(0) == 1).all()
    return offsets[found.argmax(0)]


@pytest.mark.usefixtures("strict_promotion")
def test_every_window_of_the_padded_image_is_as_likely():
    x = distinct(900, 4, 5, 2)
    keys = jax.random.split(jax.random.key(0), len(MODES))
    run = jax.jit(lambda keys, x: [random_crop(k, x, padding=1, mode=m) for k, m in zip(keys, MODES, strict=True)])
    for y, mode in zip(map(np.asarray, run(keys, x)), MODES, strict=True):
        assert y.shape == x.shape
        offsets = offsets_of(y, np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode))
        counts = np.bincount(offsets[:, 0] * 3 + offsets[:, 1], minlength=9)
        assert abs(counts - 100).max() < 5 * np.sqrt(900 * 8 / 81)


@pytest.mark.parametrize(
    ("shape", "size", "padding", "padded"),
    [
        ((7, 2), 4, 0, ((0, 0),)),
        ((6, 5, 1), (3, 6), ((0, 2), 1), ((0, 2), (1, 1))),
        ((6, 5, 1), [6, 2], [0, 0], ((0, 0), (0, 0))),
        ((3, 4, 3, 2), 3, (0, 0, (1, 0)), ((0, 0), (0, 0), (1, 0))),
    ],
)
def test_sizes_and_paddings(shape, size, padding, padded):
    x = distinct(60, *shape, dtype=np.int32)
    y = np.asarray(crop(x, size=size, padding=padding))
    sizes = tuple(size) if isinstance(size, tuple | list) else (size,) * (len(shape) - 1)
    assert y.shape == (60, *sizes, shape[-1]) and y.dtype == np.int32
    offsets = offsets_of(y, np.pad(x, ((0, 0), *padded, (0, 0))))
    room = np.array(shape[:-1]) + np.sum(padded, axis=1) - sizes
    np.testing.assert_array_equal(offsets.min(0), 0)
    np.testing.assert_array_equal(offsets.max(0), room)


def test_without_padding_and_size_it_is_the_identity_for_any_dtype():
    x = [jnp.asarray(distinct(2, 3, 4, 3)).astype(dtype) for dtype in (jnp.uint8, jnp.bfloat16, bool)]
    for y, expected in zip(crop(x), x, strict=True):
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)


def test_one_fill_for_each_channel():
    x = np.zeros((50, 2, 2, 3), np.uint8)
    y = np.asarray(crop(x, padding=2, fill=(10, 20, 30)))
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(np.unique(y.reshape(-1, 3), axis=0), [[0, 0, 0], [10, 20, 30]])


def test_arrays_of_a_tree_have_the_same_window():
    image, mask = distinct(20, 5, 6, 3), np.ones((20, 5, 6, 1), np.uint8)
    x, fills = {"image": image, "mask": mask}, {"image": (0, 0, 0.0), "mask": 255}

    @jax.jit
    def run(*keys):
        both = random_crop(keys[0], x, padding=3, fill=fills)
        return both, random_crop(keys[1], image, padding=3), random_crop(keys[2], x, padding=3, fill=7)

    both, alone, shared = run(*(jax.random.key(0) for _ in range(3)))
    np.testing.assert_array_equal(both["image"], alone)
    outside = np.asarray(both["image"][..., :1] == 0)
    np.testing.assert_array_equal(both["mask"], np.where(outside, 255, 1))
    np.testing.assert_array_equal(shared["mask"], np.where(outside, 7, 1))


def test_vmap_over_keys_and_the_gradient():
    x, keys = jnp.asarray(distinct(3, 4, 4, 1)), jax.random.split(jax.random.key(0), 3)

    def cropped(k, x):
        y = random_crop(k, x, padding=1)
        return y.sum(), y

    # Linear: the derivative of a sum counts which entries are in the window.
    both = jax.value_and_grad(cropped, 1, has_aux=True)
    (_, mapped), gradients = jax.jit(jax.vmap(both, (0, None)))(keys, x)
    one = jax.jit(both)
    for index in range(3):
        (_, y), gradient = one(jax.random.clone(keys)[index], x)
        np.testing.assert_array_equal(mapped[index], y)
        np.testing.assert_array_equal(gradients[index], gradient)
        np.testing.assert_array_equal(gradient, np.isin(x, y))


def test_an_empty_batch():
    assert crop(jnp.zeros((0, 4, 4, 1)), size=2).shape == (0, 2, 2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 9}, r"`size` must be within the padded size \(4, 5\), got 9"),
        ({"size": (2, 2, 2)}, "`size` must be an integer or have one entry for each of 2 axes"),
        ({"size": 0}, "`size` must be >= 1"),
        ({"padding": -1}, "`padding` must be >= 0"),
        ({"padding": (1,)}, "`padding` must be an integer or have one entry for each of 2 axes"),
        ({"padding": (1, (1, 2, 3))}, "`padding` must have integers or pairs"),
        ({"mode": "nearest"}, "`mode` must be one of 'constant', 'edge'"),
        ({"fill": (1, 2)}, "`fill` must have shape"),
    ],
)
def test_value_errors(options, message):
    with pytest.raises(ValueError, match=message):
        random_crop(jax.random.key(0), distinct(2, 4, 5, 3), **options)


def test_other_errors():
    x = distinct(2, 4, 5, 3)
    with pytest.raises(TypeError, match="`size` must be a Python integer, got 2.0"):
        random_crop(jax.random.key(0), x, size=2.0)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        random_crop(None, x)
    with pytest.raises(ValueError, match=r"`x\[1\]` must have the spatial shape \(4, 5\) of `x\[0\]`"):
        random_crop(jax.random.key(0), (x, x[..., 0]))
    with pytest.raises(ValueError, match="`fill` must be one value, or a tree of them in the structure of `x`, got"):
        random_crop(jax.random.key(0), (x, x), fill={"image": 0})
    with pytest.raises(ValueError, match=r"`fill` must be integers in \[0, 255\]"):
        random_crop(jax.random.key(0), x.astype(np.uint8), fill=0.5)
