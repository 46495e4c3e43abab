"""The spectral penalty, from the singular values that NumPy finds."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.sensitivity import spectral_penalty, warm_spectral_penalty
from tests.sensitivity import models

pytestmark = pytest.mark.usefixtures("strict_promotion")


def singular_values(p, x):
    return np.linalg.svd(models.jacobians(p, x), compute_uv=False)


def reference(p, x):
    return np.mean(singular_values(p, x)[:, 0] ** 2)


def separated(inputs, outputs, seed=4):
    """Returns parameters and a batch whose two largest singular values differ well."""
    p, x = models.params(inputs, outputs, seed=seed), models.batch(inputs)
    values = singular_values(p, x)
    assert np.all(values[:, 1] < 0.6 * values[:, 0])
    return p, x


def converged(p, x):
    return spectral_penalty(functools.partial(models.network, p), jax.random.key(0), jnp.float32(x), num_steps=60)


@pytest.mark.parametrize(("inputs", "outputs", "seed"), [(5, 3, 4), (3, 5, 5)])
def test_value_and_gradient_once_converged(inputs, outputs, seed):
    p, x = separated(inputs, outputs, seed)
    models.check(lambda p: converged(p, x), lambda p: reference(p, x), p, rtol=5e-5)


def test_the_gradient_is_that_of_the_singular_value():
    """It is 2 sigma u^T dJ v, here for J = W^T, so 2 sigma v u^T."""
    w = np.random.default_rng(0).standard_normal((6, 4)) * np.array([3.0, 1.0, 1.0, 1.0])
    left, values, right = np.linalg.svd(w)

    @jax.jit
    @jax.value_and_grad
    def penalty(w):
        return warm_spectral_penalty(lambda x: x @ w, jnp.ones((2, 4)), jnp.ones((2, 6)), num_steps=40)[0]

    value, gradient = penalty(jnp.float32(w))
    np.testing.assert_allclose(value, values[0] ** 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, 2 * values[0] * np.outer(left[:, 0], right[0]), atol=1e-4)


def test_it_comes_from_below_and_closer_with_each_step():
    p, x = models.params(5, 4), models.batch(5)
    fn = functools.partial(models.network, models.single(p))
    one_step = jax.jit(lambda direction: warm_spectral_penalty(fn, direction, jnp.float32(x)))
    start = direction = 3 * jax.random.normal(jax.random.key(2), (4, 4))
    penalties = []
    for _ in range(20):
        penalty, direction = one_step(direction)
        penalties.append(float(penalty))
        np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1, rtol=1e-6)
    assert np.all(np.diff(penalties) > -1e-5)
    assert 0 < penalties[0] < 0.99 * reference(p, x)
    assert penalties[-1] <= reference(p, x) * (1 + 1e-6)
    np.testing.assert_allclose(penalties[-1], reference(p, x), rtol=1e-2)
    together = jax.jit(lambda direction: warm_spectral_penalty(fn, direction, jnp.float32(x), num_steps=20))(start)
    np.testing.assert_allclose(together[0], penalties[-1], rtol=1e-5)
    np.testing.assert_allclose(together[1], direction, atol=1e-4)


def test_along_a_training_run_one_warm_step_is_better_than_one_from_a_random_start():
    p, x = separated(5, 3)

    @jax.jit
    def train(p, direction, key):
        def warm(p):
            return warm_spectral_penalty(functools.partial(models.network, p), direction, jnp.float32(x))

        cold = spectral_penalty(functools.partial(models.network, p), key, jnp.float32(x), num_steps=1)
        (value, direction), gradient = jax.value_and_grad(warm, has_aux=True)(p)
        return value, cold, jax.tree.map(lambda leaf, g: leaf - 5e-4 * g, p, gradient), direction

    trained, direction = models.single(p), jax.random.normal(jax.random.key(0), (4, 3))
    for key in jax.random.split(jax.random.key(1), 30):
        before = jax.tree.map(np.float64, trained)
        value, cold, trained, direction = train(trained, direction, key)
    assert reference(before, x) < 0.7 * reference(p, x)
    np.testing.assert_allclose(value, reference(before, x), rtol=1e-4)
    assert cold < 0.99 * value


def test_no_derivative_reaches_the_direction():
    x, direction = jnp.ones((2, 3)), jnp.ones((2, 3))

    def function(w, direction):
        return warm_spectral_penalty(lambda x: x * w[None], direction, x)

    w = jnp.array([3.0, 2.0, 1.0])
    _, tangent = jax.jvp(function, (w, direction), (jnp.zeros(3), direction + 1))
    chex.assert_trees_all_equal(tangent, (jnp.float32(0), jnp.zeros((2, 3))))
    _, (_, tangent) = jax.jvp(lambda w: function(w, direction), (w,), (jnp.ones(3),))
    np.testing.assert_array_equal(tangent, 0)


def test_a_zero_jacobian_gives_zeros_and_does_not_lose_the_direction():
    direction = jnp.array([[3.0, 4.0], [0.0, 2.0]])

    def function(w):
        return warm_spectral_penalty(lambda x: x @ w, direction, jnp.ones((2, 3)), num_steps=3)

    (value, end), gradient = jax.jit(jax.value_and_grad(function, has_aux=True))(jnp.zeros((3, 2)))
    assert float(value) == 0
    np.testing.assert_allclose(end, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)
    np.testing.assert_array_equal(gradient, 0)
    constant, _ = warm_spectral_penalty(lambda x: jnp.ones((2, 2)), direction, jnp.ones((2, 3)))
    assert float(constant) == 0
    # An example without derivative beside one that has one.
    x = jnp.array([[1.0, 2.0], [-1.0, -2.0]])
    mixed = jax.jit(lambda x: warm_spectral_penalty(lambda x: jnp.maximum(2 * x, 0), direction, x)[0])
    np.testing.assert_allclose(mixed(x), 2, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_squares_stay_in_range(scale):
    def fn(x):
        return scale * x

    value, _ = jax.jit(functools.partial(warm_spectral_penalty, fn))(jnp.ones((2, 3)), jnp.ones((2, 3)))
    np.testing.assert_allclose(value, scale**2, rtol=1e-5)


def test_functions_of_any_rank_and_of_custom_vjp():
    x = jnp.full((2, 3, 2), 0.5)

    def fn(x):
        return models.custom_sine(x).reshape(2, 2, 3)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def warm(a):
        value, *rest = warm_spectral_penalty(lambda x: (fn(a * x), x), jnp.ones((2, 2, 3)), x, has_aux=True)
        return value, rest

    (value, (direction, aux)), gradient = jax.jit(warm)(1.0)
    np.testing.assert_allclose(value, np.cos(0.5) ** 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, 2 * np.cos(0.5) ** 2 - 0.5 * np.sin(1.0), rtol=1e-5)
    assert direction.shape == (2, 2, 3)
    np.testing.assert_array_equal(aux, x)
    cold = jax.jit(lambda key: spectral_penalty(lambda x: (fn(x), x), key, x, has_aux=True, num_steps=1))
    value, aux = cold(jax.random.key(0))
    np.testing.assert_allclose(value, np.cos(0.5) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(aux, x)


def test_of_a_single_output_it_is_the_jacobian_penalty():
    p, x = models.params(5, 1), models.batch(5)
    fn = functools.partial(models.network, models.single(p))
    value = spectral_penalty(lambda x: fn(x)[:, 0], jax.random.key(0), jnp.float32(x), num_steps=1)
    np.testing.assert_allclose(value, np.mean(np.sum(models.jacobians(p, x) ** 2, (1, 2))), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_summed_in_float32(dtype):
    p, x = separated(5, 3)
    low, start = models.single((p, x), dtype), jnp.ones((4, 3), dtype)
    fn = functools.partial(models.network, low[0])
    value, direction = jax.jit(lambda x: warm_spectral_penalty(fn, start, x, num_steps=9))(low[1])
    assert (value.dtype, direction.dtype) == (jnp.float32, dtype)
    np.testing.assert_allclose(value, reference(p, x), rtol=0.03)


@pytest.mark.usefixtures("enable_x64")
def test_double_precision():
    p, x = separated(5, 3)
    fn = functools.partial(models.network, models.single(p, jnp.float64))
    value, direction = warm_spectral_penalty(fn, jnp.ones((4, 3)), x, num_steps=100)
    assert value.dtype == direction.dtype == jnp.float64
    np.testing.assert_allclose(value, reference(p, x), rtol=1e-13)


def test_vmap_over_parameters_and_keys():
    x = jnp.float32(models.batch(4))
    lanes = [models.single(models.params(4, 3, seed=seed)) for seed in (0, 1)]
    keys = jax.random.split(jax.random.key(0))

    def penalty(p, key):
        return spectral_penalty(functools.partial(models.network, p), key, x, num_steps=2)

    mapped = jax.jit(jax.vmap(penalty))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *lanes), keys)
    compiled = jax.jit(penalty)
    alone = [compiled(p, key) for p, key in zip(lanes, jax.random.clone(keys), strict=True)]
    np.testing.assert_allclose(mapped, alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("fn", "options", "error", "message"),
    [
        (
            models.looped,
            {},
            ValueError,
            r"`fn` must be without `while_loop` .* length, got one \(`jax.lax.scan` can be",
        ),
        (jnp.sin, {"num_steps": 0}, ValueError, "`num_steps` must be >= 1, got 0"),
        (jnp.sin, {"has_aux": 1}, TypeError, "`has_aux` must be True or False, got 1"),
        (jnp.sum, {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 examples"),
    ],
)
def test_wrong_arguments_are_refused(fn, options, error, message, key):
    with pytest.raises(error, match=f"^{message}"):
        spectral_penalty(fn, key, jnp.ones((2, 3)), **options)
    with pytest.raises(error, match=f"^{message}"):
        warm_spectral_penalty(fn, jnp.ones((2, 3)), jnp.ones((2, 3)), **options)


def test_wrong_starts_are_refused():
    with pytest.raises(TypeError, match="^`key` must be a PRNG key"):
        spectral_penalty(jnp.sin, 0, jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^`direction` must have the shape \(2, 3\) of `fn\(x\)`, got \(3,\)"):
        warm_spectral_penalty(jnp.sin, jnp.ones(3), jnp.ones((2, 3)))
    with pytest.raises(TypeError, match="^`direction` must be a floating array, got dtype int32"):
        warm_spectral_penalty(jnp.sin, jnp.ones((2, 3), jnp.int32), jnp.ones((2, 3)))
