"""Exact zeros survive `apply_updates`, whatever the dtypes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, regularizers, transforms

DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
MIXES = list(itertools.product(DTYPES, DTYPES))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("param", "grad"), MIXES, ids=lambda d: jnp.dtype(d).name)
def test_a_thousand_of_a_thousand_zeros_survive(param, grad):
    params = jnp.asarray(RNG.standard_normal((1000, 2)), param)
    grads = jnp.asarray(1e-3 * RNG.standard_normal((1000, 2)), grad)
    removing = {
        "l1": regularizers.l1(100.0),
        "l0": regularizers.l0(1000.0),
        "group": regularizers.group_lasso(100.0, axis=1),
    }
    for regularizer in removing.values():
        tx = optax.chain(optax.sgd(0.1), transforms.proximal_step(regularizer, 0.1))
        updates, _ = jax.jit(tx.update)(grads, tx.init(params), params)
        after = optax.apply_updates(params, updates)
        assert after.dtype == param
        assert int(jnp.sum(after == 0)) == 2000
    tx = transforms.project(constraints.box(0.0, 0.0))
    updates, _ = tx.update(grads, tx.init(params), params)
    assert int(jnp.sum(optax.apply_updates(params, updates) == 0)) == 2000


@pytest.mark.parametrize(("param", "grad"), MIXES, ids=lambda d: jnp.dtype(d).name)
def test_the_zeros_are_those_of_the_operator_and_they_stay(param, grad):
    params = jnp.asarray(RNG.standard_normal(1000), param)
    zeros = jnp.zeros(1000, grad)
    tx = transforms.proximal_step(regularizers.l1(0.5), 1.0)
    state = tx.init(params)
    expected = np.abs(np.asarray(params.astype(jnp.float32))) <= 0.5
    updates, state = tx.update(zeros, state, params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_array_equal(np.asarray(after == 0), expected)
    updates, state = tx.update(zeros, state, after)
    assert np.asarray(optax.apply_updates(after, updates) == 0)[expected].all()


@pytest.mark.parametrize(("param", "grad"), MIXES, ids=lambda d: jnp.dtype(d).name)
def test_where_an_operator_changes_nothing_updates_pass_bit_for_bit(param, grad):
    params = jnp.asarray(RNG.standard_normal((40, 5)), param)
    grads = jnp.asarray(0.01 * RNG.standard_normal((40, 5)), grad)
    for tx in (
        transforms.proximal_step(regularizers.l1(0.0), 0.1),
        transforms.project(constraints.max_norm(1e3)),
    ):
        updates, _ = tx.update(grads, tx.init(params), params)
        np.testing.assert_array_equal(np.asarray(updates), np.asarray(grads.astype(updates.dtype)))


def test_a_loss_term_gives_small_weights_but_no_zeros():
    target = jnp.asarray(RNG.standard_normal(50) * 0.1)

    def final(tx):
        params, state = jnp.ones(50), tx.init(jnp.ones(50))
        update = jax.jit(lambda p, s: tx.update(p - target, s, p))
        for _ in range(200):
            updates, state = update(params, state)
            params = optax.apply_updates(params, updates)
        return params

    l1 = regularizers.l1(0.2)
    assert int(jnp.sum(final(optax.chain(transforms.add_penalty_gradients(l1), optax.sgd(0.1))) == 0)) == 0
    assert int(jnp.sum(final(optax.chain(optax.sgd(0.1), transforms.proximal_step(l1, 0.1))) == 0)) > 40


def test_a_strength_of_zero_has_a_derivative():
    params = {"kernel": jnp.array([[1.0, -2.0], [3.0, 0.5]])}
    gradients = jax.tree.map(lambda w: 0.1 * w, params)
    weights = jnp.array([[1.0, 2.0], [-0.5, 0.7]])
    penalties = {
        "l1": regularizers.l1,
        "l2": regularizers.l2,
        "elastic_net": lambda s: regularizers.elastic_net(s, s),
        "group_lasso": lambda s: regularizers.group_lasso(s, axis=0),
    }
    optimizers = {
        "proximal_step": lambda rule: transforms.proximal_step(rule, 0.1),
        "proximal_sgd": lambda rule: transforms.proximal_sgd(0.1, rule),
        "proximal_adam": lambda rule: transforms.proximal_adam(0.1, rule),
    }

    def after_a_step(strength):
        results = {}
        for (name, make), (of, rule) in itertools.product(optimizers.items(), penalties.items()):
            tx = make(rule(strength))
            updates, _ = tx.update(gradients, tx.init(params), params)
            results[name, of] = (weights * optax.apply_updates(params, updates)["kernel"]).sum()
        return results

    derivative = jax.jit(jax.jacfwd(after_a_step))
    at_zero, nearby = derivative(0.0), derivative(1e-4)
    for name in at_zero:
        assert abs(nearby[name]) > 0.01
        np.testing.assert_allclose(at_zero[name], nearby[name], rtol=0.02, err_msg=str(name))
