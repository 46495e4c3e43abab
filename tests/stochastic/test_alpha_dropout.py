"""Alpha dropout, from the moments it promises and the formula of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import alpha_dropout

# SELU's constants as its paper prints them.
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


def affine(q):
    saturation = -ALPHA * SCALE
    a = (q + saturation**2 * q * (1 - q)) ** -0.5
    return a, -a * saturation * (1 - q), saturation


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9, jnp.float32(0.3)], ids=str)
def test_mean_and_variance_are_kept(rate):
    x_key, key = jax.random.split(jax.random.key(0))
    y = np.asarray(alpha_dropout(key, jax.random.normal(x_key, (500_000,)), rate), np.float64)
    fourth = ((y - y.mean()) ** 4).mean()
    assert abs(y.mean()) < 5 * y.std() / np.sqrt(y.size)
    assert abs(y.var() - 1) < 5 * np.sqrt((fourth - 1) / y.size)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.99])
def test_the_formula_of_the_paper(rate):
    x = jnp.linspace(-2.0, 2.0, 400)
    y = np.asarray(alpha_dropout(jax.random.key(1), x, rate))
    a, b, saturation = affine(1 - rate)
    dropped = np.isclose(y, a * saturation + b, rtol=1e-5)
    np.testing.assert_allclose(y[~dropped], (a * np.asarray(x) + b)[~dropped], rtol=2e-5, atol=1e-5)
    assert abs(dropped.sum() - 400 * rate) < 5 * np.sqrt(400 * rate * (1 - rate))


def test_channels_can_be_dropped_whole():
    y = np.asarray(alpha_dropout(jax.random.key(1), jnp.full((2, 8, 30), 5.0), 0.5, broadcast_dims=(1,)))
    assert (y == y[:, :1]).all()
    assert len(np.unique(y)) == 2
    with pytest.raises(ValueError, match="`broadcast_dims` must be in range for `x` of shape"):
        alpha_dropout(jax.random.key(1), jnp.ones(3), 0.5, broadcast_dims=(1,))


def test_rate_zero_is_the_identity():
    x = jnp.array([1.0, -2.0, jnp.inf])
    assert alpha_dropout(None, x, 0.0) is x
    np.testing.assert_array_equal(jax.jit(lambda rate: alpha_dropout(jax.random.key(0), x, rate))(0.0), x)


@pytest.mark.parametrize("rate", [1.0, jnp.float32(1.0)], ids=["static", "traced"])
def test_rate_one_gives_zeros_with_zero_gradients(rate):
    x = jnp.array([1.0, -2.0, jnp.inf, jnp.nan])

    def function(x):
        return alpha_dropout(jax.random.key(0), x, rate)

    np.testing.assert_array_equal(function(x), 0)
    np.testing.assert_array_equal(jax.grad(lambda x: function(x).sum())(x), 0)
    np.testing.assert_array_equal(jax.jvp(function, (x,), (jnp.ones(4),))[1], 0)


def test_dropped_entries_have_their_value_and_zero_gradient_whatever_they_were():
    def function(x):
        return alpha_dropout(jax.random.key(2), x, 0.5)

    a, b, saturation = affine(0.5)
    dropped = np.isclose(function(jnp.ones(50)), a * saturation + b)
    x = jnp.where(dropped, jnp.nan, 1.0)
    np.testing.assert_allclose(function(x), np.where(dropped, a * saturation + b, a + b), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(lambda x: function(x).sum())(x), np.where(dropped, 0, a), rtol=1e-5)


def test_near_rate_one_the_dropped_value_is_exact():
    # a * alpha' + b cancels there; its limit is sqrt(q) alpha' / sqrt(1 + alpha'^2).
    saturation, q = -ALPHA * SCALE, 1e-6
    y = alpha_dropout(jax.random.key(0), jnp.ones(5), 1 - q)
    np.testing.assert_allclose(y, np.sqrt(q) * saturation / np.sqrt(1 + saturation**2 * (1 - q)), rtol=1e-6)


def test_no_gradient_flows_to_the_rate():
    gradient = jax.grad(lambda rate: alpha_dropout(jax.random.key(0), jnp.ones(8), rate).sum())
    np.testing.assert_array_equal([gradient(0.5), gradient(0.0), gradient(1.0)], 0)
