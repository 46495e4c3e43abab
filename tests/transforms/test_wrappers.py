"""Every transformation inside what Optax wraps around optimizers, and a state that keeps its shape everywhere."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, masks, projections, regularizers, stopping, transforms
from tests.cases import TRANSFORMS, tree
from tests.transforms.test_common import gradients, plain, steps

NAMES = list(TRANSFORMS)


def chained(name):
    return optax.chain(optax.sgd(0.1), TRANSFORMS[name]())


@pytest.mark.parametrize("name", NAMES)
def test_state_is_stable_under_a_condition(name):
    # Weak types count: the branches of a condition must agree in them.
    tx = optax.with_extra_args_support(TRANSFORMS[name]())

    @jax.jit
    def step(often, params, state):
        def move(operand):
            params, state = operand
            updates, state = tx.update(gradients(), state, params)
            return optax.apply_updates(params, updates), state

        return jax.lax.cond(often, move, lambda operand: operand, (params, state))

    params, state = step(True, tree(), tx.init(tree()))
    again, _ = step(False, params, state)
    chex.assert_trees_all_equal(again, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, tx.init(tree()))
    assert step._cache_size() == 1


@pytest.mark.parametrize("name", NAMES)
def test_lookahead_and_an_average_beside_it(name):
    tx = optax.lookahead(chained(name), sync_period=10, slow_step_size=0.5)

    @jax.jit
    def run(params):
        def step(carry, _):
            params, average, state = carry
            updates, state = tx.update(gradients(), state, params)
            params = optax.apply_updates(params, updates)
            return (params, optax.incremental_update(params.fast, average, 0.1), state), params.fast

        (params, average, _), history = jax.lax.scan(step, (params, params.fast, tx.init(params)), length=3)
        return params, average, history

    params, average, history = run(optax.LookaheadParams.init_synced(tree()))
    chex.assert_trees_all_close(params.fast, plain(name), atol=1e-6)
    chex.assert_trees_all_equal(params.slow, tree())
    expected = jax.tree.map(
        lambda first, rest: 0.729 * first + 0.081 * rest[0] + 0.09 * rest[1] + 0.1 * rest[2], tree(), history
    )
    chex.assert_trees_all_close(average, expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_schedule_free_keeps_structure_and_numbers(name):
    tx = optax.contrib.schedule_free(chained(name), 0.1, b1=0.9)
    params, state = steps(tx, tree())
    chex.assert_tree_all_finite((params, optax.contrib.schedule_free_eval_params(state, params)))
    chex.assert_trees_all_equal_shapes_and_dtypes((params, state), (tree(), tx.init(tree())))


def test_schedule_free_needs_its_last_word_outside():
    # It adds the updates to a sequence of its own, and reports an average: neither has the zeros of an operator.
    l1 = regularizers.l1(0.5)
    tx = optax.contrib.schedule_free(optax.chain(optax.sgd(0.1), transforms.proximal_step(l1, 0.1)), 0.1)
    params, state = steps(tx, tree(), count=20)
    averaged = optax.contrib.schedule_free_eval_params(state, params)
    wanted = l1.prox(averaged, 0.1)["kernel"]
    assert int((wanted == 0).sum()) > int((averaged["kernel"] == 0).sum())
    # A projection after it holds for the parameters of the next gradient.
    outside = optax.chain(tx, transforms.project(constraints.max_norm(0.9)))
    params, _ = steps(outside, tree(), count=5)
    chex.assert_trees_all_close(projections.max_norm(params, 0.9), params, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_like_parameters_is_found_in_states(name):
    tx = TRANSFORMS[name]()
    state = jax.tree.map(lambda leaf: jnp.ones_like(leaf), tx.init(tree()))
    marked = optax.tree.map_params(tx, lambda leaf: leaf + 1, state)
    for leaf, before in zip(jax.tree.leaves(marked), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(leaf, before + (before.ndim > 0))


@pytest.mark.parametrize(
    ("factory", "arguments"),
    [
        (transforms.proximal_adam, {"learning_rate": 0.1, "regularizer": regularizers.l1(0.3), "weight_decay": 0.1}),
        (transforms.proximal_adam, {"learning_rate": 0.1, "regularizer": regularizers.group_lasso(0.3, axis=0)}),
        (transforms.proximal_sgd, {"learning_rate": 0.1, "regularizer": regularizers.l1(0.3), "momentum": 0.5}),
        (transforms.proximal_sgd, {"learning_rate": 0.1, "regularizer": regularizers.l1(0.3), "accelerated": True}),
        (
            transforms.decoupled_weight_decay,
            {"weight_decay": 0.1, "anchor": "initial", "mask": masks.no_bias_or_norm()},
        ),
    ],
    ids=["adam", "adam and groups", "sgd", "accelerated", "decay"],
)
def test_inject_hyperparams_gives_the_same_numbers_and_others_later(factory, arguments):
    tx = optax.inject_hyperparams(factory)(**arguments)
    params, state = steps(tx, tree())
    # Optax traces the decay rates of the moments, and their powers with them.
    chex.assert_trees_all_close(params, steps(factory(**arguments), tree())[0], atol=1e-5)
    name = "learning_rate" if "learning_rate" in arguments else "weight_decay"
    state.hyperparams[name] = jnp.float32(0.0)  # as users change a rate between steps
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
    if factory is transforms.decoupled_weight_decay:
        chex.assert_trees_all_equal(optax.apply_updates(params, updates), params)
    else:
        chex.assert_tree_all_finite(updates)


def test_injected_numbers_keep_their_precision_beside_bfloat16():
    # Optax rounds them to the dtype of the parameters; a strength in a value of ours is not among them.
    params = jnp.full(4, 1.0, jnp.bfloat16)
    tx = optax.inject_hyperparams(transforms.proximal_step)(regularizers.l1(0.999), 1.0)
    updates, _ = tx.update(jnp.zeros(4), tx.init(params), params)
    np.testing.assert_allclose(params.astype(jnp.float32) + updates, 0.001, rtol=1e-4)


def test_freeze_when_stopped_in_wrappers():
    rule = stopping.early_stopping(patience=1)
    tx = optax.chain(optax.sgd(0.1), transforms.freeze_when_stopped(rule))
    for wrapped in (optax.named_chain(("inner", tx)), optax.apply_if_finite(tx, 3), optax.flatten(tx)):
        params, state = tree(), wrapped.init(tree())
        for value in (1.0, 2.0, 3.0):
            before = params
            updates, state = wrapped.update(gradients(), state, params, value=value)
            params = optax.apply_updates(params, updates)
        chex.assert_trees_all_equal(params, before)
