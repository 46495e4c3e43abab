"""Masksembles, from what the paper promises of its masks, and by brute force."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regjax
from regjax.stochastic import masksembles, masksembles_masks

SIZES = [
    *itertools.product([1, 2, 5, 16, 67], [1, 2, 4, 7], [1.0, 1.3, 2.0, 6.0, 1e9]),
    (512, 4, 2.0),
    (1000, 16, 3.5),
    (4096, 4, 1e300),
]


def test_every_mask_has_the_same_number_of_features_and_every_feature_a_mask():
    for num_features, num_masks, scale in SIZES:
        masks = masksembles_masks(num_features, num_masks, scale)
        assert masks.shape == (num_masks, num_features)
        assert masks.dtype == bool
        assert masks.any(axis=0).all()
        (kept,) = set(masks.sum(axis=1).tolist())
        # The number that the paper's formula gives, at least as many as it takes to cover all features.
        wanted = num_features / (-scale * math.expm1(num_masks * math.log1p(-1 / scale)) if scale > 1 else 1)
        assert abs(kept - wanted) <= 0.5 + 1e-6 or kept == math.ceil(num_features / num_masks)


def test_the_ends_of_the_scale():
    assert masksembles_masks(37, 5, 1).all()
    assert masksembles_masks(37, 1, 3.0).all()
    # A partition, where the features can be divided.
    np.testing.assert_array_equal(masksembles_masks(36, 4, 1e12).sum(axis=0), 1)


@pytest.mark.parametrize(("num_masks", "scale"), [(4, 2.0), (8, 1.5), (5, 4.0)])
def test_masks_overlap_as_in_the_paper(num_masks, scale):
    masks = np.stack([masksembles_masks(256, num_masks, scale, seed=seed) for seed in range(40)])
    kept = masks[0, 0].sum()
    pairs = [(masks[:, i] & masks[:, j]).sum(-1).mean() for i, j in itertools.combinations(range(num_masks), 2)]
    np.testing.assert_allclose(pairs, kept / scale, rtol=0.06)
    np.testing.assert_allclose(np.mean(pairs), kept / scale, rtol=0.015)
    # In how many masks a feature is: binomial, but for the features that are in none.
    share = 1 / scale
    binomial = np.array(
        [math.comb(num_masks, k) * share**k * (1 - share) ** (num_masks - k) for k in range(1, num_masks + 1)]
    )
    counts = np.bincount(masks.sum(axis=1).ravel(), minlength=num_masks + 1)[1:]
    np.testing.assert_allclose(counts / counts.sum(), binomial / binomial.sum(), atol=0.015)
    # No feature is special.
    each = masks.mean(axis=(0, 1))
    assert abs(each - each.mean()).max() < 6 * np.sqrt(each.mean() * (1 - each.mean()) / (40 * num_masks))
    assert abs(masks[..., -20:].mean() - each.mean()) < 0.03


def test_masks_are_settled_by_the_arguments():
    masks = masksembles_masks(10, 3, 2.0, seed=1)
    assert masks is masksembles_masks(10, 3, 2, seed=1)
    # These must never change: no checkpoint carries them.
    wanted = ["0111000111", "1000111011", "0011101011"]
    assert ["".join(map(str, mask)) for mask in masks.astype(int)] == wanted
    assert not np.array_equal(masks, masksembles_masks(10, 3, 2.0, seed=2))
    with pytest.raises(ValueError, match="read-only"):
        masks[0, 0] = True


@pytest.mark.parametrize("batch", [12, 10, 2, 0])
@pytest.mark.parametrize("inner", [(), (2, 3)], ids=str)
def test_every_group_has_its_mask(batch, inner):
    masks = masksembles_masks(6, 4, 2.0)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(batch, *inner, 6)), jnp.float32)
    y = jax.jit(masksembles)(x, masks)
    assert y.shape == x.shape
    for i in range(batch):
        np.testing.assert_array_equal(y[i], np.asarray(x[i]) * masks[i * 4 // batch])


def test_groups_are_as_equal_as_possible():
    y = masksembles(jnp.ones((10, 3)), np.eye(4, 3, dtype=bool) | np.array([[0], [0], [0], [1]], bool))
    assert [len(list(group)) for _, group in itertools.groupby(np.asarray(y).tolist())] == [3, 2, 3, 2]


@pytest.mark.usefixtures("strict_promotion")
def test_dtypes_gradients_and_vmap():
    masks = masksembles_masks(6, 2, 2.0)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        assert masksembles(jnp.ones((4, 6), dtype), masks).dtype == dtype
    kept = np.repeat(masks, 2, axis=0)
    x = jnp.where(kept, 2.0, jnp.nan)
    np.testing.assert_array_equal(masksembles(x, masks), np.where(kept, 2, 0))
    np.testing.assert_array_equal(jax.grad(lambda x: masksembles(x, masks).sum())(x), kept)
    stacked = jnp.stack([x, 2 * x])
    np.testing.assert_array_equal(jax.vmap(lambda x: masksembles(x, masks))(stacked)[1], 2 * masksembles(x, masks))


def test_members_of_the_ensemble_are_models_of_their_own_and_disagree():
    masks = {scale: masksembles_masks(32, 4, scale) for scale in (1.0, 2.0)}
    rng = np.random.default_rng(0)
    first, second = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((5, 32), (32, 3)))
    x = jnp.asarray(rng.normal(size=(7, 5)), jnp.float32)

    def samples(scale):
        hidden = masksembles(jnp.tanh(jnp.concatenate([x] * 4) @ first), masks[scale])
        return jax.nn.softmax(hidden @ second).reshape(4, 7, 3)

    for member, mask in enumerate(masks[2.0]):
        wanted = jax.nn.softmax(jnp.tanh(x @ first[:, mask]) @ second[mask])
        np.testing.assert_allclose(samples(2.0)[member], wanted, rtol=1e-5, atol=1e-6)
    assert (np.asarray(regjax.uncertainty.mutual_information(samples(2.0))) > 0.01).all()
    np.testing.assert_allclose(regjax.uncertainty.mutual_information(samples(1.0)), 0, atol=1e-6)


def test_arguments_are_checked():
    for arguments in ((0, 4, 2.0), (8, 0, 2.0)):
        with pytest.raises(ValueError, match="must be >= 1, got 0"):
            masksembles_masks(*arguments)
    with pytest.raises(ValueError, match="`seed` must be >= 0, got -1"):
        masksembles_masks(8, 4, 2.0, seed=-1)
    for scale in (0.5, np.inf, np.nan):
        with pytest.raises(ValueError, match="`scale` must be finite and >= 1, got"):
            masksembles_masks(8, 4, scale)
    with pytest.raises(TypeError, match="`scale` must be a Python number, as the masks are made on the host"):
        masksembles_masks(8, 4, jnp.float32(2.0))
    with pytest.raises(ValueError, match=r"`scale` must be a scalar, got shape \(2,\)"):
        masksembles_masks(8, 4, np.array([2.0, 3.0]))
    masks = masksembles_masks(8, 4, 2.0)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype int32"):
        masksembles(jnp.ones((4, 8), jnp.int32), masks)
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, ..., features\], got \(8,\)"):
        masksembles(jnp.ones(8), masks)
    with pytest.raises(TypeError, match="`masks` must be boolean, got dtype float32"):
        masksembles(jnp.ones((4, 8)), np.ones((4, 8), np.float32))
    for shape in ((4, 7), (8,), (0, 8)):
        with pytest.raises(ValueError, match=r"`masks` must have shape \[num_masks, 8\], got \("):
            masksembles(jnp.ones((4, 8)), np.ones(shape, bool))
