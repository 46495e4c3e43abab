"""Gaussian noise on a batch, from its moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import stochastic
from regjax.augment import gaussian_noise


def assert_normal(sample, stddev):
    z = np.asarray(sample, np.float64) / stddev
    for power, moment, deviation in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(deviation / z.size), power


def test_every_example_can_have_a_deviation_of_its_own():
    run = jax.jit(lambda key, stddev: gaussian_noise(key, jnp.zeros((3, 200, 100)), stddev))
    y = run(jax.random.key(0), np.float32([0.5, 2.0, 0.0]))
    assert_normal(y[0], 0.5)
    assert_normal(y[1], 2.0)
    np.testing.assert_array_equal(y[2], 0)
    assert abs(np.corrcoef(y[0].ravel(), y[1].ravel())[0, 1]) < 5 / np.sqrt(y[0].size)


@pytest.mark.usefixtures("strict_promotion")
def test_one_deviation_gives_the_noise_of_the_layer():
    deviations = 0.5, jnp.float32(0.5), np.full(2, 0.5), np.array(0.5)

    @jax.jit
    def run(seed, x):
        return (
            stochastic.gaussian_noise(jax.random.key(seed), x, 0.5),
            [gaussian_noise(jax.random.key(seed), x, stddev) for stddev in deviations],
            gaussian_noise(jax.random.key(seed), x, 0.5, clip=(0.0, jnp.float32(1.0))),
        )

    for dtype in (jnp.float32, jnp.bfloat16):
        expected, same, clipped = run(1, jnp.linspace(0.0, 1.0, 120).reshape(2, 60).astype(dtype))
        for y in same:
            assert y.dtype == dtype
            np.testing.assert_array_equal(y, expected)
        assert clipped.dtype == dtype
        np.testing.assert_array_equal(clipped, np.clip(expected, 0, 1))
        assert (clipped == 0).any() and (clipped == 1).any()


def test_a_deviation_of_zero_is_the_identity():
    x = jnp.array([[1.0, -2.0, jnp.inf]])
    assert gaussian_noise(None, x, 0.0) is x
    np.testing.assert_array_equal(gaussian_noise(None, x, 0.0, clip=(-1, 1)), [[1.0, -1.0, 1.0]])
    assert gaussian_noise(jax.random.key(0), jnp.ones((0, 3)), np.ones(0)).shape == (0, 3)


def test_the_deviation_can_be_learned():
    x = jnp.zeros((2, 5))
    slope = jax.grad(lambda s: gaussian_noise(jax.random.key(0), x, s)[0].sum())(jnp.array([0.5, 0.7]))
    noise = gaussian_noise(jax.random.key(0), x, 1.0)
    np.testing.assert_allclose(slope, [noise[0].sum(), 0.0], rtol=1e-5)


def test_mistakes_are_named():
    x = jnp.ones((2, 3))
    for stddev in (-1.0, np.array([1.0, -1.0]), np.inf):
        with pytest.raises(ValueError, match="`stddev` must be finite and >= 0, got"):
            gaussian_noise(jax.random.key(0), x, stddev)
    with pytest.raises(ValueError, match=r"`stddev` must have shape \(2,\), one value for each example, got \(3,\)"):
        gaussian_noise(jax.random.key(0), x, jnp.ones(3))
    with pytest.raises(ValueError, match=r"`x` must have a leading axis, got shape \(\)"):
        gaussian_noise(jax.random.key(0), 1.0, 0.5)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype uint8"):
        gaussian_noise(jax.random.key(0), x.astype(jnp.uint8), 0.5)
    with pytest.raises(ValueError, match=r"`clip\[0\]` must be <= `clip\[1\]`, got 1 and 0"):
        gaussian_noise(jax.random.key(0), x, 0.5, clip=(1, 0))
    with pytest.raises(ValueError, match="`clip` must be finite, got nan"):
        gaussian_noise(jax.random.key(0), x, 0.5, clip=(0.0, float("nan")))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        gaussian_noise(0, x, 0.5)
