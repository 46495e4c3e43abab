"""Early stopping inside a chain."""

import chex
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import diagnostics, regularizers, stopping, transforms
from tests.cases import tree

RULE = stopping.early_stopping(patience=2, keep_best=True)


def train(tx, params, metrics):
    """Parameters after each step of a compiled loop, and the last state."""

    @jax.jit
    def run(params, metrics):
        def step(carry, metric):
            params, state = carry
            updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params, value=metric)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        (_, state), history = jax.lax.scan(step, (params, tx.init(params)), metrics)
        return history, state

    return run(params, jnp.asarray(metrics, jnp.float32))


def test_freezes_at_the_update_that_stops_and_keeps_the_best_parameters():
    tx = optax.chain(optax.adam(0.1), transforms.freeze_when_stopped(RULE))
    history, state = train(tx, tree(), [3.0, 1.0, 2.0, 2.0, 0.0, 0.0])
    plain, _ = train(optax.with_extra_args_support(optax.adam(0.1)), tree(), [3.0, 1.0, 2.0, 2.0, 0.0, 0.0])
    rule = state[-1].stopping
    assert bool(rule.should_stop) and int(rule.step) == 4 and int(rule.best_step) == 1
    for leaf, free, best in zip(*map(jax.tree.leaves, (history, plain, rule.best_params)), strict=True):
        np.testing.assert_allclose(leaf[:3], free[:3], atol=1e-6)
        for later in leaf[3:]:
            np.testing.assert_array_equal(later, leaf[2])  # bit for bit
        np.testing.assert_array_equal(best, leaf[0])  # what the second metric was measured with


def test_lanes_freeze_by_themselves():
    tx = optax.chain(optax.sgd(0.5), transforms.freeze_when_stopped(stopping.early_stopping(patience=1)))
    metrics = jnp.array([[2.0, 2.0, 1.0, 0.0], [2.0, 1.0, 1.0, 0.0], [4.0, 3.0, 2.0, 1.0]])

    def lane(row):
        return train(tx, jnp.float32(0.0), row)[0][-1]

    np.testing.assert_array_equal(jax.vmap(lane)(metrics), [-0.5, -1.0, -2.0])


def test_keeps_dtypes_and_passes_what_is_no_update():
    tx = transforms.freeze_when_stopped(stopping.early_stopping(patience=1))
    updates = {
        "half": jnp.ones(2, jnp.bfloat16),
        "int": jnp.int32(3),
        "none": None,
        "hidden": optax.MaskedNode(),
    }
    state = tx.init(updates)
    first, state = tx.update(updates, state, value=1.0)
    chex.assert_trees_all_equal(first, updates)
    frozen, state = tx.update(updates, state, updates, value=jnp.float32(1.0), some_extra_argument=2)
    chex.assert_trees_all_equal(frozen, jax.tree.map(jnp.zeros_like, updates))
    chex.assert_trees_all_equal_shapes_and_dtypes(frozen, updates)


def test_a_nan_update_is_frozen_to_zero():
    tx = transforms.freeze_when_stopped(stopping.early_stopping(patience=1, nan="stop"))
    params = jnp.ones(2)
    updates, state = tx.update(params * jnp.nan, tx.init(params), params, value=jnp.nan)
    np.testing.assert_array_equal(updates, 0)
    assert bool(state.stopping.should_stop)


def test_steps_without_validation():
    rule = stopping.early_stopping(patience=2, nan="skip")
    tx = optax.chain(optax.sgd(1.0), transforms.freeze_when_stopped(rule))
    nan = np.nan
    history, state = train(tx, jnp.float32(0.0), [2.0, nan, nan, 1.0, nan, 1.0, nan, 1.0, nan])
    assert int(state[-1].stopping.step) == 8
    np.testing.assert_array_equal(history, [-1, -2, -3, -4, -5, -6, -7, -7, -7])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tx: optax.masked(tx, {"bias": True, "kernel": True}),
        lambda tx: optax.partition({"all": tx}, {"bias": "all", "kernel": "all"}),
        lambda tx: optax.inject_hyperparams(lambda rule: transforms.freeze_when_stopped(rule))(rule=RULE),
    ],
    ids=["masked", "partition", "inject_hyperparams"],
)
def test_in_wrappers(wrap):
    metrics = [3.0, 1.0, 2.0, 2.0, 0.0]
    plain, _ = train(optax.chain(optax.sgd(0.1), transforms.freeze_when_stopped(RULE)), tree(), metrics)
    wrapped, _ = train(optax.chain(optax.sgd(0.1), wrap(transforms.freeze_when_stopped(RULE))), tree(), metrics)
    chex.assert_trees_all_close(wrapped, plain, rtol=1e-6)


def test_inside_multi_steps_it_judges_whole_steps():
    inner = optax.chain(optax.sgd(0.1), transforms.freeze_when_stopped(stopping.early_stopping(patience=1)))
    history, _ = train(optax.MultiSteps(inner, 2), jnp.float32(0.0), [9.0, 2.0, 9.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(history, [0, -0.1, -0.1, -0.2, -0.2, -0.2, -0.2, -0.2], rtol=1e-6)


def test_state_survives_a_checkpoint():
    tx = transforms.freeze_when_stopped(RULE)
    _, state = tx.update(tree(), tx.init(tree()), tree(), value=1.0)
    restored = flax.serialization.from_bytes(tx.init(tree()), flax.serialization.to_bytes(state))
    chex.assert_trees_all_equal(restored, state)


def test_is_described_last():
    tx = optax.chain(
        transforms.add_penalty_gradients(regularizers.l2(0.1, mask="kernel")),
        optax.sgd(0.1),
        transforms.freeze_when_stopped(RULE),
    )
    rows = str(diagnostics.describe(tx, tree()))
    assert rows.count("freeze_when_stopped") == 3  # of each leaf, and in the order
    assert diagnostics.describe(tx, tree()).order[-1].transform == "freeze_when_stopped"


def test_bad_input():
    with pytest.raises(TypeError, match="`stopping` must be a rule such as `regjax.stopping.early_stopping"):
        transforms.freeze_when_stopped(lambda value: value)
    tx = transforms.freeze_when_stopped(RULE)
    state = tx.init(tree())
    with pytest.raises(ValueError, match="`value` must be given to `update`: call .*value=loss.*, got None"):
        tx.update(tree(), state, tree())
    with pytest.raises(ValueError, match="`params` must be given to `update` where `keep_best` is True, got None"):
        tx.update(tree(), state, value=1.0)
    with pytest.raises(TypeError, match="`value` must be a number or a scalar array, got 'low'"):
        tx.update(tree(), state, tree(), value="low")
