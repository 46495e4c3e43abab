"""Virtual adversarial training, from the Hessian of the divergence written out in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.sensitivity import virtual_adversarial
from tests.sensitivity import models

pytestmark = pytest.mark.usefixtures("strict_promotion")


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def predict(p, x):
    return softmax(np.tanh(x @ p["first"] + p["bias"]) @ p["second"])


def divergence(p, q):
    return np.mean(np.sum(p * np.log(p / q), -1))


def hessians(p, x):
    """Returns those of the divergence, from its definition: `[batch, inputs, inputs]`."""
    probabilities, j = predict(p, x), models.jacobians(p, x)
    fisher = np.einsum("bc,ck->bck", probabilities, np.eye(j.shape[1])) - np.einsum(
        "bc,bk->bck", probabilities, probabilities
    )
    return np.einsum("bcd,bck,bke->bde", j, fisher, j)


def inputs_seen(fn, *arguments, **options):
    """Returns the penalty, and the batches that the network was called with."""
    seen = []

    def recorded(x):
        seen.append(x)
        return fn(x)

    penalty = virtual_adversarial(recorded, *arguments, **options)
    return penalty, np.asarray(seen[-1], np.float64)


def test_the_hessian_of_the_reference_is_that_of_the_divergence():
    p, x = models.params(3, 4), models.batch(3, size=1)
    numeric = np.zeros((3, 3))
    step = 1e-4
    for i, j in np.ndindex(3, 3):
        for si, sj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            moved = x + step * (si * np.eye(3)[[i]] + sj * np.eye(3)[[j]])
            numeric[i, j] += si * sj * divergence(predict(p, x), predict(p, moved)) / (4 * step**2)
    np.testing.assert_allclose(hessians(p, x)[0], numeric, rtol=1e-4, atol=1e-6)


def test_the_direction_is_the_top_eigenvector():
    p, x, epsilon = models.params(5, 4, seed=3), models.batch(5), 0.3
    values, vectors = np.linalg.eigh(hessians(p, x))
    assert np.all(values[:, -2] < 0.9 * values[:, -1])
    fn = functools.partial(models.network, models.single(p))
    penalty, moved = inputs_seen(fn, jax.random.key(0), jnp.float32(x), epsilon=epsilon, num_steps=100)
    alignment = np.abs(np.einsum("bd,bd->b", moved - x, vectors[..., -1])) / epsilon
    np.testing.assert_allclose(alignment, 1, rtol=1e-5)
    np.testing.assert_allclose(penalty, divergence(predict(p, x), predict(p, moved)), rtol=1e-4)


def test_one_step_multiplies_a_random_direction_by_the_hessian():
    p, x = models.params(5, 4, seed=3), models.batch(5)
    fn = functools.partial(models.network, models.single(p))
    start, one = (
        inputs_seen(fn, jax.random.key(1), jnp.float32(x), epsilon=0.5, num_steps=steps)[1] - x for steps in (0, 1)
    )
    np.testing.assert_allclose(np.linalg.norm(start, axis=-1), 0.5, rtol=1e-5)
    expected = np.einsum("bde,be->bd", hessians(p, x), start)
    np.testing.assert_allclose(one, 0.5 * expected / np.linalg.norm(expected, axis=-1, keepdims=True), atol=1e-5)
    assert np.abs(start.mean()) < 0.5 and len(np.unique(start.round(5))) == start.size


def test_prediction_and_direction_are_constants_to_the_gradient():
    p, x = models.params(5, 4, seed=3), models.batch(5)
    options = {"epsilon": 0.7, "num_steps": 1}

    def function(p):
        return virtual_adversarial(functools.partial(models.network, p), jax.random.key(0), jnp.float32(x), **options)

    fn = functools.partial(models.network, models.single(p))
    moved = inputs_seen(fn, jax.random.key(0), jnp.float32(x), **options)[1]
    clean = predict(p, x)
    models.check(function, lambda p: divergence(clean, predict(p, moved)), p, rtol=2e-4)


def test_the_norm_is_that_of_a_whole_example():
    x = jnp.ones((2, 3, 4))

    def fn(x):
        return x.reshape(2, 6, 2) ** 2

    penalty, moved = inputs_seen(fn, jax.random.key(0), x, epsilon=2.0)
    np.testing.assert_allclose(np.sum((moved - x) ** 2, (1, 2)), 4, rtol=1e-5)
    expected = divergence(softmax(np.ones((2, 6, 2))), softmax(np.asarray(moved).reshape(2, 6, 2) ** 2))
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


def test_a_flat_prediction_keeps_the_random_direction():
    def penalty(w, bias):
        return virtual_adversarial(lambda x: x @ w + bias, jax.random.key(0), jnp.ones((2, 3)), epsilon=1.0)

    both = jax.jit(jax.value_and_grad(penalty))
    value, gradient = both(jnp.zeros((3, 3)), jnp.zeros((1, 3)))
    assert abs(float(value)) < 1e-6
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    # So sure of one class that the others have probability 0 in float32.
    value, gradient = both(1e3 * jnp.eye(3), jnp.array([[0.0, 5e3, 0.0]]))
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, 0)
    x = jnp.array([[1.0, 0.0], [0.0, 0.1]])
    _, moved = inputs_seen(lambda x: 1e3 * x, jax.random.key(0), x, epsilon=0.5, num_steps=3)
    np.testing.assert_allclose(np.linalg.norm(moved - x, axis=-1), 0.5, rtol=1e-5)


def test_classes_may_be_ruled_out():
    x = jnp.float32(models.batch(5))

    def penalty(p, ruled_out):
        def fn(x):
            return jnp.where(ruled_out[None], -jnp.inf, models.network(p, x))

        return virtual_adversarial(fn, jax.random.key(0), x, epsilon=1.0)

    p = models.single(models.params(5, 4))
    with jax.debug_nans(True):
        both = jax.jit(jax.value_and_grad(penalty))
        value, gradient = both(p, jnp.array([False, False, True, False]))
    np.testing.assert_array_equal(gradient["second"][:, 2], 0)
    # A class whose logit is far below the others is as good as ruled out.
    low = p | {"second": p["second"].at[:, 2].set(0)}
    expected = jax.jit(virtual_adversarial, static_argnums=0)(
        lambda x: models.network(low, x) - 100 * jnp.array([[0.0, 0.0, 1.0, 0.0]]), jax.random.key(0), x, epsilon=1.0
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_epsilon_may_be_traced_and_zero():
    p, x = models.single(models.params(5, 4)), jnp.float32(models.batch(5))
    fn = functools.partial(models.network, p)
    traced = jax.jit(lambda epsilon: virtual_adversarial(fn, jax.random.key(0), x, epsilon=epsilon))
    assert abs(float(traced(0.0))) < 1e-6
    np.testing.assert_allclose(traced(0.4), virtual_adversarial(fn, jax.random.key(0), x, epsilon=0.4), rtol=1e-4)
    assert traced._cache_size() == 1


def test_low_precision_is_summed_in_float32():
    p, x = models.params(5, 4), models.batch(5)
    low, bf16_x = models.single((p, x), jnp.bfloat16)
    penalty, moved = inputs_seen(functools.partial(models.network, low), jax.random.key(0), bf16_x, epsilon=1.0)
    assert penalty.dtype == jnp.float32
    np.testing.assert_allclose(penalty, divergence(predict(p, x), predict(p, moved)), rtol=0.05)


@pytest.mark.usefixtures("enable_x64")
def test_double_precision():
    p, x = models.params(5, 4), models.batch(5)
    fn = functools.partial(models.network, models.single(p, jnp.float64))
    penalty, moved = inputs_seen(fn, jax.random.key(0), x, epsilon=1.0)
    assert penalty.dtype == jnp.float64
    np.testing.assert_allclose(penalty, divergence(predict(p, x), predict(p, moved)), rtol=1e-12)


def test_vmap_over_parameters_and_keys():
    x = jnp.float32(models.batch(4))
    lanes = [models.single(models.params(4, 3, seed=seed)) for seed in (0, 1)]
    keys = jax.random.split(jax.random.key(0))

    def penalty(p, key):
        return virtual_adversarial(functools.partial(models.network, p), key, x, epsilon=0.5)

    mapped = jax.jit(jax.vmap(penalty))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *lanes), keys)
    compiled = jax.jit(penalty)
    alone = [compiled(p, key) for p, key in zip(lanes, jax.random.clone(keys), strict=True)]
    np.testing.assert_allclose(mapped, alone, rtol=1e-4)


def test_functions_of_custom_vjp():
    x = jnp.full((2, 3), 0.3)
    values = [virtual_adversarial(f, jax.random.key(0), x, epsilon=0.5) for f in (models.custom_sine, jnp.sin)]
    np.testing.assert_allclose(*values, rtol=1e-6)


@pytest.mark.parametrize(
    ("fn", "options", "error", "message"),
    [
        (
            models.looped,
            {},
            ValueError,
            r"`fn` must be without `while_loop` .* length, got one \(`jax.lax.scan` can be",
        ),
        (jnp.sin, {"num_steps": -1}, ValueError, "`num_steps` must be >= 0, got -1"),
        (jnp.sin, {"epsilon": -1.0}, ValueError, "`epsilon` must be finite and >= 0, got -1.0"),
        (lambda x: x[:, 0], {}, ValueError, r"`fn\(x\)` must have the classes in its last axis, got shape \(2,\)"),
        (jnp.sum, {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 examples"),
    ],
)
def test_wrong_arguments_are_refused(fn, options, error, message, key):
    with pytest.raises(error, match=f"^{message}"):
        virtual_adversarial(fn, key, jnp.ones((2, 3)), **{"epsilon": 1.0} | options)


def test_a_key_is_needed():
    with pytest.raises(TypeError, match="^`key` must be a PRNG key"):
        virtual_adversarial(jnp.sin, None, jnp.ones((2, 3)), epsilon=1.0)
