import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.uncertainty import mc_regress, mc_samples


def noisy(key, x):
    return x + 0.1 * jax.random.normal(key, x.shape)


LEVELS = jnp.array([0.0, 2000.0, -2000.0])


@pytest.fixture(scope="module")
def twelve_samples():
    run = jax.jit(functools.partial(mc_samples, noisy, num_samples=12))
    return np.asarray(run(jax.random.key(0), LEVELS), np.float64)


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize(("num_samples", "batch_size"), [(11, None), (11, 4), (11, 64), (1, 4), (12, 4)])
def test_moments_are_stable_in_float32(num_samples, batch_size, twelve_samples, key):
    result = jax.jit(functools.partial(mc_regress, noisy, num_samples=num_samples, batch_size=batch_size))(key, LEVELS)
    samples = twelve_samples[:num_samples]
    np.testing.assert_allclose(result.mean, samples.mean(0), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(result.variance, samples.var(0), rtol=1e-5, atol=1e-12)
    assert result.mean.dtype == result.variance.dtype == jnp.float32


@pytest.mark.parametrize("batch_size", [None, 300])
def test_many_samples_far_from_zero(batch_size, key):
    # Near 2000 float32 resolves 1.2e-4: a mean updated in that range would stand still after some hundred samples.
    x = jnp.full((2,), 2000.0)
    result = jax.jit(functools.partial(mc_regress, noisy, num_samples=20_000, batch_size=batch_size))(key, x)
    run = jax.jit(functools.partial(mc_samples, noisy, num_samples=20_000, batch_size=500))
    samples = np.asarray(run(key, x), np.float64)
    np.testing.assert_allclose(result.mean, samples.mean(0), atol=1.3e-4, rtol=0)
    np.testing.assert_allclose(result.variance, samples.var(0), rtol=1e-4)


def test_trees_and_low_precision(key):
    def fn(key, x):
        noise = jax.random.normal(key, x.shape)
        return {"y": (x + noise).astype(jnp.bfloat16), "noise_variance": jnp.exp(noise)}

    result = jax.jit(functools.partial(mc_regress, fn, num_samples=50, batch_size=8))(key, jnp.zeros(2))
    samples = jax.jit(functools.partial(mc_samples, fn, num_samples=50))(key, jnp.zeros(2))
    for name in ["y", "noise_variance"]:
        expected = np.asarray(samples[name].astype(jnp.float32), np.float64)
        assert result.mean[name].dtype == jnp.float32
        np.testing.assert_allclose(result.mean[name], expected.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(result.variance[name], expected.var(0), rtol=1e-5)


def test_gradient_is_that_of_the_stacked_samples(key):
    def fn(key, scale):
        return 5 + scale * jax.random.normal(key, ())

    def streamed(scale, batch_size):
        result = mc_regress(fn, key, scale, num_samples=5, batch_size=batch_size)
        return result.mean + 3 * result.variance

    def stacked(scale):
        samples = mc_samples(fn, key, scale, num_samples=5)
        return samples.mean() + 3 * samples.var()

    @jax.jit
    def derivatives(scale):
        runs = [stacked, *(functools.partial(streamed, batch_size=batch_size) for batch_size in (None, 2))]
        return [jax.grad(run)(scale) for run in runs], [jax.hessian(run)(scale) for run in runs[::2]]

    with jax.debug_key_reuse(False):  # the same draws several times
        gradients, hessians = derivatives(0.7)
    np.testing.assert_allclose(gradients[1:], [gradients[0]] * 2, rtol=1e-4)
    np.testing.assert_allclose(hessians[1], hessians[0], rtol=1e-4)


def test_one_sample_has_no_variance(key):
    result = mc_regress(noisy, key, jnp.zeros(3), num_samples=1)
    np.testing.assert_array_equal(result.variance, np.zeros(3))
    np.testing.assert_allclose(result.mean, noisy(jax.random.fold_in(key, 0), jnp.zeros(3)), rtol=1e-6)


def test_vmap_over_keys(key):
    run = jax.jit(functools.partial(mc_regress, noisy, num_samples=4, batch_size=3))
    keys = jax.random.split(key, 2)
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, jnp.ones(2))
    np.testing.assert_allclose(mapped.variance[1], run(keys[1], jnp.ones(2)).variance, rtol=1e-5)


def test_memory_does_not_grow_with_the_number_of_samples(key):
    def temporary_bytes(num_samples):
        run = functools.partial(mc_regress, noisy, num_samples=num_samples, batch_size=5)
        return jax.jit(run).lower(key, jnp.ones((64, 16))).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(10) == temporary_bytes(1000)


def test_converges_to_the_closed_form_of_dropout_before_a_dense_layer(key):
    # The kept hidden units h z / (1 - p) are independent, so the output has mean h W + b and the covariance
    # sum_h p / (1 - p) h^2 w_h w_h^T.
    rate, num_samples = 0.3, 4000
    generator = np.random.default_rng(0)
    hidden, kernel, bias = generator.normal(size=60), generator.normal(size=(60, 3)), generator.normal(size=3)

    def fn(key, hidden, kernel, bias):
        keep = jax.random.bernoulli(key, 1 - rate, hidden.shape)
        return jnp.where(keep, hidden / (1 - rate), 0) @ kernel + bias

    arguments = [jnp.asarray(a, jnp.float32) for a in (hidden, kernel, bias)]
    mean = hidden @ kernel + bias
    covariance = np.einsum("h,hi,hj->ij", rate / (1 - rate) * hidden**2, kernel, kernel)
    variances = np.diag(covariance)

    result = jax.jit(functools.partial(mc_regress, fn, num_samples=num_samples, batch_size=128))(key, *arguments)
    samples = jax.jit(functools.partial(mc_samples, fn, num_samples=num_samples, batch_size=128))(key, *arguments)
    assert np.all(np.abs(result.mean - mean) < 5 * np.sqrt(variances / num_samples))
    assert np.all(np.abs(result.variance - variances) < 5 * variances * np.sqrt(2 / num_samples))
    standard_errors = np.sqrt((np.outer(variances, variances) + covariance**2) / num_samples)
    assert np.all(np.abs(np.cov(np.asarray(samples, np.float64).T) - covariance) < 5 * standard_errors)


def test_refuses_integers(key):
    with pytest.raises(TypeError, match=r"`fn\(key, \*args\)` must be a floating array, got dtype int32"):
        mc_regress(lambda _: {"y": jnp.int32(1)}, key, num_samples=2)
