"""Gaussian dropout and additive noise, from their mean and variance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import gaussian_dropout, gaussian_noise

DRAWS = 200_000


def assert_normal(sample, mean, variance):
    """Checks the first four moments within five standard errors."""
    z = (np.asarray(sample, np.float64) - mean) / np.sqrt(variance)
    for power, moment, deviation in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(deviation / z.size), power


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, jnp.float32(0.2), jnp.bfloat16(0.25)], ids=str)
def test_gaussian_dropout_is_normal_around_the_input(rate):
    p = float(rate)
    y = gaussian_dropout(jax.random.key(0), jnp.full(DRAWS, 3.0), rate)
    assert_normal(y, 3.0, 9.0 * p / (1 - p))


@pytest.mark.parametrize("stddev", [0.3, 4, jnp.float32(0.7)], ids=str)
def test_gaussian_noise_is_normal_around_the_input(stddev):
    assert_normal(gaussian_noise(jax.random.key(1), jnp.full(DRAWS, -2.0), stddev), -2.0, float(stddev) ** 2)


def test_noise_is_drawn_in_float32_for_low_precision():
    x = jnp.ones(DRAWS, jnp.bfloat16)
    wide = gaussian_noise(jax.random.key(2), jnp.ones(DRAWS), 0.5)
    np.testing.assert_array_equal(gaussian_noise(jax.random.key(2), x, 0.5), wide.astype(jnp.bfloat16))


@pytest.mark.usefixtures("enable_x64")
def test_noise_is_drawn_in_float64_for_double_precision():
    x = jnp.zeros(100)
    y = gaussian_noise(jax.random.key(2), x, 1.0)
    assert y.dtype == jnp.float64
    assert np.any(np.asarray(y) != np.asarray(y, np.float32))
    np.testing.assert_array_equal(gaussian_dropout(jax.random.key(2), jnp.ones(100), 0.5), 1 + y)
    narrow = gaussian_dropout(jax.random.key(2), jnp.ones(100, jnp.float32), jnp.float64(0.5))
    assert narrow.dtype == jnp.float32


@pytest.mark.parametrize("function", [gaussian_dropout, gaussian_noise])
def test_an_amount_of_zero_is_the_identity(function):
    x = jnp.array([1.0, -2.0, jnp.inf])
    assert function(None, x, 0.0) is x
    np.testing.assert_array_equal(jax.jit(lambda rate: function(jax.random.key(0), x, rate))(0.0), x)


def test_a_multiplied_zero_stays_zero():
    np.testing.assert_array_equal(gaussian_dropout(jax.random.key(0), jnp.zeros(5), 0.5), 0)


def test_gradients():
    def total(x, amount):
        return gaussian_noise(jax.random.key(3), x, amount).sum()

    x = jnp.ones(6)
    noise = gaussian_noise(jax.random.key(3), jnp.zeros(6), 1.0)
    with_respect_to_x, with_respect_to_stddev = jax.grad(total, (0, 1))(x, 0.5)
    np.testing.assert_array_equal(with_respect_to_x, 1)
    np.testing.assert_allclose(with_respect_to_stddev, noise.sum(), rtol=1e-5)
    for rate in (0.0, 0.5):
        assert jax.grad(lambda r: gaussian_dropout(jax.random.key(3), x, r).sum())(rate) == 0
    slopes = jax.grad(lambda x: gaussian_dropout(jax.random.key(3), x, 0.5).sum())(x)
    np.testing.assert_allclose(slopes, 1 + noise, rtol=1e-6)


@pytest.mark.parametrize("rate", [1, 1.0, 1.5, -0.1, float("nan")])
def test_gaussian_dropout_needs_a_rate_below_one(rate):
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\), got"):
        gaussian_dropout(jax.random.key(0), jnp.ones(2), rate)


@pytest.mark.parametrize("stddev", [-1.0, float("nan"), float("inf")])
def test_gaussian_noise_needs_a_deviation(stddev):
    with pytest.raises(ValueError, match="`stddev` must be finite and >= 0, got"):
        gaussian_noise(jax.random.key(0), jnp.ones(2), stddev)
