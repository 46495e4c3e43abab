"""An update that fails leaves everything as it was."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import stopping, transforms
from tests.cases import TRANSFORMS, tree
from tests.hostile.test_arguments import check_refusal

GRADIENTS = jax.tree.map(lambda leaf: jnp.cos(leaf), tree())
SHORT = {"kernel": jnp.ones((4, 3))}
BENT = {"bias": jnp.ones(3), "kernel": jnp.ones((3, 4))}
STOPPING = stopping.early_stopping(patience=2, keep_best=True)


def refuses(call, *arguments, **keywords):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments, **keywords)
    check_refusal(caught.value)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_failed_update_leaves_the_state_usable(name):
    optimizer = TRANSFORMS[name]()
    params = tree()
    state = optimizer.init(params)
    before = jax.tree.map(np.array, state)
    refuses(optimizer.update, GRADIENTS, state)
    refuses(optimizer.update, SHORT, state, params)
    refuses(optimizer.update, BENT, state, params)
    refuses(optimizer.update, GRADIENTS, state, BENT)
    refuses(optimizer.update, GRADIENTS, state, SHORT)
    refuses(optimizer.update, jnp.ones(3), state, params)
    refuses(optimizer.update, "words", state, params)
    chex.assert_trees_all_equal(jax.tree.map(np.array, state), before)
    updates, _ = jax.jit(optimizer.update)(GRADIENTS, state, params)
    chex.assert_tree_all_finite(updates)


BAD_METRICS = [None, "0.5", True, 1j, np.ones(3), jnp.ones(3), jnp.complex64(1), {}, [0.5], jax.random.key(0)]


def test_early_stopping_can_go_on_after_a_metric_that_is_none():
    state = STOPPING.update(STOPPING.init(tree()), 1.0, tree())
    for metric in BAD_METRICS:
        refuses(STOPPING.update, state, metric, tree())
    refuses(STOPPING.update, state, 0.5)
    refuses(STOPPING.update, state, 0.5, SHORT)
    refuses(STOPPING.update, state, 0.5, BENT)
    refuses(STOPPING.update, state, 0.5, tree(jnp.float16))
    assert STOPPING.update(state, 0.5, tree()).best_metric == 0.5
    for metric in (np.nan, np.inf, -np.inf, 3e38, -1e-45, 2):
        after = STOPPING.update(state, metric, tree())
        assert int(after.step) == 2 and not np.isnan(after.best_metric)


def test_freezing_can_go_on_after_a_value_that_is_none():
    optimizer = transforms.freeze_when_stopped(STOPPING)
    state = optimizer.init(tree())
    for value in BAD_METRICS:
        refuses(optimizer.update, GRADIENTS, state, tree(), value=value)
    refuses(optimizer.update, GRADIENTS, state, None, value=0.5)
    refuses(optimizer.update, GRADIENTS, state, BENT, value=0.5)
    chex.assert_trees_all_equal(optimizer.update(GRADIENTS, state, tree(), value=0.5)[0], GRADIENTS)


def test_updates_that_are_no_numbers_stay_in_their_leaf():
    broken = GRADIENTS | {"bias": jnp.array([jnp.nan, jnp.inf, 1.0])}
    for name, make in TRANSFORMS.items():
        if "-" in name:
            continue  # variants: acceleration has one momentum for all leaves
        optimizer = make()
        state = optimizer.init(tree())
        update = jax.jit(optimizer.update)
        good, bad = (optax.apply_updates(tree(), update(g, state, tree())[0]) for g in (GRADIENTS, broken))
        chex.assert_trees_all_equal(good["kernel"], bad["kernel"])
        assert np.isnan(bad["bias"][0]), name
