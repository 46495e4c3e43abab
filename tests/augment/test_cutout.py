"""Cutout, from all squares that there are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import cutout

DRAWS = 6000
SPATIAL = (4, 6)


@jax.jit
def lost(size):
    return cutout(jax.random.key(0), jnp.ones((DRAWS, *SPATIAL, 1)), size)[..., 0] == 0


@pytest.mark.parametrize("size", [(3, 3), (2, 2), (3, 2), (1, 6), (20, 20)], ids=str)
def test_every_center_is_as_likely(size):
    expected = {}
    for center in np.ndindex(SPATIAL):
        mask = np.zeros(SPATIAL, bool)
        low = [c - s // 2 for c, s in zip(center, size, strict=True)]
        mask[tuple(slice(max(at, 0), max(at + s, 0)) for at, s in zip(low, size, strict=True))] = True
        expected[mask.tobytes()] = expected.get(mask.tobytes(), 0) + 1 / np.prod(SPATIAL)
    found, counts = np.unique(np.asarray(lost(size)), axis=0, return_counts=True)
    assert {mask.tobytes() for mask in found} == set(expected)
    for mask, count in zip(found, counts, strict=True):
        p = expected[mask.tobytes()]
        assert abs(count - DRAWS * p) <= 5 * np.sqrt(DRAWS * p * (1 - p))


def test_a_size_of_zero_is_the_identity():
    assert not lost((0, 0)).any()


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize(("spatial", "size"), [((7,), 3), ((4, 5), np.int64(2)), ((3, 4, 5), [2, 2, 3])], ids=str)
def test_any_number_of_spatial_axes(spatial, size):
    x = np.full((30, *spatial, 2), 9, np.uint8)
    y = jax.jit(lambda key: cutout(key, x, size, fill=(1, 2)))(jax.random.key(0))
    assert y.dtype == jnp.uint8
    change = np.asarray(y != x)
    assert (change == change[..., :1]).all()
    np.testing.assert_array_equal(y, np.where(change, np.array([1, 2]), 9))
    counts = change[..., 0].reshape(30, -1).sum(1)
    assert counts.min() >= 1 and counts.max() == np.prod(np.broadcast_to(size, len(spatial)))


def test_mistakes_are_named():
    x = jnp.ones((2, 4, 6, 3), jnp.uint8)
    for size, message in [
        (-1, "`size` must be an integer >= 0, got -1"),
        (2.5, "`size` must be an integer >= 0, got 2.5"),
        ((2, 2, 2), r"`size` must have one number for each of 2 spatial axes, got \(2, 2, 2\)"),
        (jnp.ones(2, jnp.int32), r"`size` must be a scalar, got shape \(2,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            cutout(jax.random.key(0), x, size)
    with pytest.raises(TypeError, match="`size` must be an integer array, got dtype float32"):
        cutout(jax.random.key(0), x, jnp.float32(2))
    with pytest.raises(TypeError, match="`size` must be a number or a scalar array, got 'big'"):
        cutout(jax.random.key(0), x, "big")
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, \*spatial, channels\] with 1 or more"):
        cutout(jax.random.key(0), x[:, 0, 0], 2)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype uint8"):
        cutout(jax.random.key(0), x, 2, fill="normal_color")
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        cutout(0, x, 2)
