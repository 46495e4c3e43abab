"""The gradient penalty, from gradients written out by hand."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.sensitivity import gradient_penalty, jacobian_penalty
from tests.sensitivity import models

pytestmark = pytest.mark.usefixtures("strict_promotion")

SETTINGS = [{}, {"target_norm": 1.5}, {"target_norm": 1.5, "one_sided": True}, {"target_norm": 0.0, "one_sided": True}]


def reference(p, x, target_norm=0.0, one_sided=False):
    distance = np.linalg.norm(models.jacobians(p, x)[:, 0], axis=-1) - target_norm
    return np.mean((np.maximum(distance, 0) if one_sided else distance) ** 2)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_value_and_gradient(settings):
    p, x = models.params(5, 1), models.batch(5, size=6)
    norms = np.linalg.norm(models.jacobians(p, x)[:, 0], axis=-1)
    assert norms.min() < 1.4 and norms.max() > 1.6

    def function(p):
        return gradient_penalty(functools.partial(models.network, p), jnp.float32(x), **settings)

    models.check(function, lambda p: reference(p, x, **settings), p, rtol=5e-5)


def test_the_target_may_be_traced():
    p, x = models.params(5, 1), models.batch(5)
    fn = functools.partial(models.network, models.single(p))
    traced = jax.jit(lambda target: gradient_penalty(fn, jnp.float32(x), target_norm=target))
    for target in (0.0, 1.0):
        np.testing.assert_allclose(traced(target), reference(p, x, target), rtol=1e-5)
    assert traced._cache_size() == 1


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)], ids=str)
def test_each_example_counts_by_itself_whatever_the_shapes(shape):
    # The gradient of a mean over the batch would be a quarter of it.
    def critic(x):
        return jnp.sum(3 * x, (1, 2)).reshape(shape)

    x = jnp.arange(24.0).reshape(4, 3, 2)
    assert float(gradient_penalty(critic, x)) == 54
    np.testing.assert_allclose(gradient_penalty(critic, x, target_norm=1.0), (np.sqrt(54) - 1) ** 2, rtol=1e-6)
    assert float(gradient_penalty(critic, x, target_norm=8, one_sided=True)) == 0
    assert float(gradient_penalty(critic, x)) == float(jacobian_penalty(critic, x))


@pytest.mark.parametrize("settings", [*SETTINGS, {"target_norm": jnp.float32(0)}], ids=str)
def test_derivatives_are_finite_where_the_gradient_vanishes(settings):
    def penalty(w):
        return gradient_penalty(lambda x: jnp.tanh(x @ w), jnp.ones((2, 3)), **settings)

    value, gradient, hessian = jax.jit(lambda w: (penalty(w), jax.grad(penalty)(w), jax.hessian(penalty)(w)))(
        jnp.zeros(3)
    )
    one_sided = settings.get("one_sided", False)
    assert float(value) == (0 if one_sided else settings.get("target_norm", 0.0) ** 2)
    np.testing.assert_array_equal(gradient, 0)
    chex.assert_tree_all_finite(hessian)
    if not settings:
        np.testing.assert_allclose(hessian, 2 * np.eye(3), atol=1e-6)


def test_auxiliary_output_comes_back():
    penalty, aux = gradient_penalty(lambda x: (jnp.sum(x**2, -1), {"x": x}), jnp.ones((2, 3)), has_aux=True)
    assert float(penalty) == 12
    chex.assert_trees_all_equal(aux, {"x": jnp.ones((2, 3))})


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_summed_in_float32(dtype):
    value = gradient_penalty(lambda x: jnp.sum(300 * x, -1), jnp.ones((2, 300), dtype))
    assert value.dtype == jnp.float32 and float(value) == 300**3
    value = gradient_penalty(lambda x: jnp.sum(300 * x, -1), jnp.ones((2, 400), dtype), target_norm=1)
    np.testing.assert_allclose(value, (20 * 300 - 1) ** 2, rtol=1e-6)


@pytest.mark.usefixtures("enable_x64")
def test_double_precision():
    p, x = models.params(6, 1), models.batch(6)
    fn = functools.partial(models.network, models.single(p, jnp.float64))
    value = gradient_penalty(fn, x, target_norm=0.1)
    assert value.dtype == jnp.float64
    np.testing.assert_allclose(value, reference(p, x, 0.1), rtol=1e-13)


def test_vmap_over_parameters():
    x = jnp.float32(models.batch(4))
    lanes = [models.single(models.params(4, 1, seed=seed)) for seed in (0, 1)]

    def penalty(p):
        return gradient_penalty(functools.partial(models.network, p), x, target_norm=1.0)

    mapped = jax.jit(jax.vmap(penalty))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *lanes))
    np.testing.assert_allclose(mapped, [penalty(p) for p in lanes], rtol=1e-5)


@pytest.mark.parametrize(
    ("fn", "options", "error", "message"),
    [
        (jnp.mean, {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 examples"),
        (jnp.sin, {}, ValueError, r"`fn\(x\)` must have one value for each example, got shape \(2, 3\)"),
        (
            models.looped,
            {},
            ValueError,
            r"`fn` must be without `while_loop` .* length, got one \(`jax.lax.scan` can be",
        ),
        (jnp.sin, {"target_norm": -1.0}, ValueError, "`target_norm` must be finite and >= 0, got -1.0"),
        (jnp.sin, {"one_sided": 1}, TypeError, "`one_sided` must be True or False, got 1"),
        (jnp.sin, {"has_aux": 1}, TypeError, "`has_aux` must be True or False, got 1"),
    ],
)
def test_wrong_arguments_are_refused(fn, options, error, message):
    shape = (2,) if fn is models.looped else (2, 3)
    with pytest.raises(error, match=f"^{message}"):
        gradient_penalty(fn, jnp.ones(shape), **options)
