"""SpecAugment, from counts of all the stripes that there are."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import spec_augment

DRAWS, FRAMES, FREQUENCIES = 8000, 6, 5
NONE = {"num_time_masks": 0, "max_time": 0, "num_frequency_masks": 0, "max_frequency": 0}


@jax.jit
def masked(key, max_time, max_frequency, time_ratio, lengths):
    """One mask of each kind on many examples."""
    x = jnp.ones((DRAWS, FRAMES, FREQUENCIES))
    arguments = {"max_time": max_time, "max_frequency": max_frequency, "time_ratio": time_ratio, "lengths": lengths}
    return spec_augment(key, x, num_time_masks=1, num_frequency_masks=1, **arguments) == 0


def full(length=FRAMES):
    return np.full(DRAWS, length, np.int32)


def stripe_law(size, widest):
    """The probability of every stripe, as a tuple of booleans."""
    law = collections.Counter()
    for width in range(widest + 1):
        for start in range(size - width + 1):
            stripe = tuple(start <= i < start + width for i in range(size))
            law[stripe] += 1 / (widest + 1) / (size - width + 1)
    return law


def assert_law(stripes, law):
    found = collections.Counter(map(tuple, np.asarray(stripes).tolist()))
    assert set(found) <= set(law)
    for stripe, p in law.items():
        assert abs(found[stripe] - len(stripes) * p) <= 5 * np.sqrt(len(stripes) * p * (1 - p)), stripe


@pytest.mark.parametrize(
    ("max_time", "ratio", "length", "widest"),
    [(2, 1.0, 6, 2), (9, 1.0, 6, 6), (4, 0.5, 6, 3), (3, 1.0, 2, 2), (4, 0.7, 4, 2), (4, 0.2, 5, 1), (4, 1.0, 0, 0)],
)
def test_masks_of_time_have_their_distribution(max_time, ratio, length, widest):
    mask = np.asarray(masked(jax.random.key(0), max_time, 0, ratio, full(length)))
    assert (mask == mask[:, :, :1]).all()
    assert not mask[:, length:].any()
    assert_law(mask[:, :length, 0], stripe_law(length, widest))


@pytest.mark.parametrize("max_frequency", [1, 3, 5])
def test_masks_of_frequency_have_their_distribution(max_frequency):
    lengths = np.arange(DRAWS, dtype=np.int32) % 3 + 2
    mask = np.asarray(masked(jax.random.key(0), 0, max_frequency, 1.0, lengths))
    real = np.arange(FRAMES) < lengths[:, None]
    np.testing.assert_array_equal(mask, mask[:, :1] & real[:, :, None])
    assert_law(mask[:, 0], stripe_law(FREQUENCIES, max_frequency))


def test_time_and_frequency_are_independent():
    mask = np.asarray(masked(jax.random.key(0), 3, 3, 1.0, full()))
    in_time, in_frequency = mask.all(2), mask.all(1)
    np.testing.assert_array_equal(mask, in_time[:, :, None] | in_frequency[:, None])
    counts = in_time.sum(1) % FRAMES, in_frequency.sum(1) % FREQUENCIES
    assert abs(np.corrcoef(*counts)[0, 1]) < 5 / np.sqrt(DRAWS)


def test_several_masks_are_independent_and_may_overlap():
    x = jnp.ones((DRAWS, FRAMES, FREQUENCIES))
    arguments = {"num_time_masks": 2, "max_time": 3, "num_frequency_masks": 0, "max_frequency": 0}
    mask = np.asarray(jax.jit(lambda key: spec_augment(key, x, **arguments))(jax.random.key(0)) == 0)
    law = collections.Counter()
    one = stripe_law(FRAMES, 3)
    for a, p in one.items():
        for b, q in one.items():
            law[tuple(i or j for i, j in zip(a, b, strict=True))] += p * q
    assert_law(mask[:, :, 0], law)


@pytest.mark.usefixtures("strict_promotion")
def test_the_mean_of_real_frames_can_fill():
    x = (np.random.default_rng(0).standard_normal((3, 8, 4, 2)) + 3).astype(np.float32)
    lengths = (8, 3, 0)
    for example, count in zip(x, lengths, strict=True):
        example[count:] = np.nan
    arguments = {"num_time_masks": 2, "max_time": 4, "num_frequency_masks": 2, "max_frequency": 3}

    @jax.jit
    def run(seed):
        low = x.astype(jnp.bfloat16)
        fills = (x, "mean"), (x, np.float64(-7.0)), (low, "mean")
        padded = [spec_augment(jax.random.key(seed), z, fill=fill, lengths=lengths, **arguments) for z, fill in fills]
        return padded, spec_augment(jax.random.key(seed), x, fill="mean", **arguments)

    (mean, constant, low), unpadded = run(5)
    assert [y.dtype for y in (mean, constant, low)] == [jnp.float32, jnp.float32, jnp.bfloat16]
    masked = np.asarray(constant == -7)
    # Channels share the masks.
    assert (masked[..., 0] == masked[..., 1]).all()
    for before, after, rounded, lost, count in zip(x, mean, low, masked, lengths, strict=True):
        assert lost.any() == (count > 0) and not lost[count:].any()
        expected = np.where(lost, before[:count].astype(np.float64).mean() if count else 0, before)
        np.testing.assert_allclose(after, expected, rtol=1e-6)
        np.testing.assert_allclose(rounded.astype(jnp.float32), expected, rtol=8e-3)
    np.testing.assert_allclose(unpadded[0], mean[0], rtol=1e-6)


@pytest.mark.parametrize(("size", "masks"), [(0, 2), (2, 0)])
def test_empty_batches_and_no_masks(size, masks):
    x = np.ones((size, 4, 3), np.float32)
    run = jax.jit(lambda key: spec_augment(key, x, **(NONE | {"num_time_masks": masks, "max_time": 4})))
    np.testing.assert_array_equal(run(jax.random.key(0)), x)


def test_mistakes_are_named():
    x = jnp.ones((2, 6, 5))
    for arguments, message in [
        ({"num_time_masks": -1}, "`num_time_masks` must be >= 0, got -1"),
        ({"num_frequency_masks": -1}, "`num_frequency_masks` must be >= 0, got -1"),
        ({"max_time": -1}, "`max_time` must be an integer >= 0, got -1"),
        ({"max_time": 1.5}, "`max_time` must be an integer >= 0, got 1.5"),
        ({"max_frequency": 6}, r"`max_frequency` must be an integer in \[0, 5\], got 6"),
        ({"time_ratio": 1.2}, r"`time_ratio` must be in \[0, 1\], got 1.2"),
        ({"fill": "median"}, "`fill` must be one of 'mean', got 'median'"),
        ({"fill": float("nan")}, "`fill` must be a number, got nan"),
        ({"lengths": [3, 7]}, r"`lengths` must be in \[0, 6\], got \[3 7\]"),
        (
            {"lengths": jnp.ones(3, jnp.int32)},
            r"`lengths` must have shape \(2,\), one value for each example, got \(3,\)",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            spec_augment(jax.random.key(0), x, **(NONE | arguments))
    with pytest.raises(TypeError, match="`lengths` must be an integer array, got dtype float32"):
        spec_augment(jax.random.key(0), x, **NONE, lengths=np.ones(2, np.float32))
    with pytest.raises(TypeError, match="`num_time_masks` must be a Python integer, got 1.0"):
        spec_augment(jax.random.key(0), x, **(NONE | {"num_time_masks": 1.0}))
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, time, frequency, ...\], got \(6, 5\)"):
        spec_augment(jax.random.key(0), x[0], **NONE)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype int32"):
        spec_augment(jax.random.key(0), jnp.ones((2, 3, 4), jnp.int32), **NONE)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        spec_augment(0, x, **NONE)
