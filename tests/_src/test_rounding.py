"""Rounding at random against the neighbours that NumPy finds, and exact where nothing is to round."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src.rounding import round_stochastically

DTYPES = [jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2]
DRAWS = 2**14


@functools.partial(jax.jit, static_argnums=2)
def rounded(key, x, dtype):
    return round_stochastically(key, x, dtype)


def numbers(dtype):
    """Every finite number of a dtype, in order, in float64; but for those that float32 holds as subnormals."""
    info = jnp.finfo(dtype)
    with np.errstate(invalid="ignore"):
        x = np.arange(2**info.bits, dtype=f"uint{info.bits}").view(dtype).astype(np.float64)
    return np.unique(x[np.isfinite(x) & ((x == 0) | (np.abs(x) >= 2.0**-119))])


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: jnp.dtype(d).name)
def test_frequencies_are_the_distances_to_the_neighbours(dtype):
    grid = numbers(dtype)
    rng = np.random.default_rng(0)
    at = rng.integers(1, len(grid) - 2, 200)  # over all exponents, subnormal numbers too
    fraction = rng.uniform(size=200)
    x = np.asarray(grid[at] + fraction * (grid[at + 1] - grid[at]), np.float32)
    fraction = (x - grid[at]) / (grid[at + 1] - grid[at])
    drawn = np.asarray(rounded(jax.random.key(0), jnp.broadcast_to(x, (DRAWS, 200)), dtype), np.float64)
    up, down = drawn == grid[at + 1], drawn == grid[at]
    assert (up | down).all()
    deviation = (up.mean(0) - fraction) / np.maximum(np.sqrt(fraction * (1 - fraction) / DRAWS), 1 / DRAWS)
    assert np.abs(deviation).max() < 5
    np.testing.assert_allclose(np.mean(deviation**2), 1, atol=0.4)  # neither biased nor drawn once for all


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: jnp.dtype(d).name)
def test_numbers_of_the_dtype_stay_bit_for_bit(dtype):
    x = np.concatenate([numbers(dtype), [np.inf, -np.inf, np.nan, -0.0]]).astype(np.float32)
    got = rounded(jax.random.key(1), x, dtype)
    assert got.dtype == dtype
    expected = jnp.asarray(x).astype(dtype)  # a dtype without infinities has NaN for them
    np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(expected, np.float32))
    np.testing.assert_array_equal(np.signbit(np.asarray(got, np.float32)[:-2]), np.signbit(x[:-2]))
    assert np.signbit(np.asarray(got, np.float32)[-1])


def test_beyond_the_largest_number_the_nearest():
    x = np.asarray([65504, 65510, 65519, 65521, 1e6, -65510, -1e6], np.float32)
    expected = [65504, 65504, 65504, np.inf, np.inf, -65504, -np.inf]
    for seed in range(5):
        got = rounded(jax.random.key(seed), x, jnp.float16)
        np.testing.assert_array_equal(np.asarray(got, np.float32), expected)


def test_the_compiler_keeps_the_rounding():
    # Conversions to a narrow dtype and back are simplified away where excess precision is allowed.
    x = jnp.full(DRAWS, 1.001, jnp.float32)
    back = jax.jit(lambda key: round_stochastically(key, x, jnp.bfloat16).astype(jnp.float32))(jax.random.key(0))
    assert set(np.asarray(back)) == {np.float32(1), np.float32(1.0078125)}
