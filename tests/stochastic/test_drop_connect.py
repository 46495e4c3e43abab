"""DropConnect: which leaves lose entries, and that they do so independently."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import masks
from regjax.stochastic import drop_connect, dropout


def weights():
    return {
        "a": {"bias": jnp.ones(50, jnp.bfloat16), "kernel": jnp.full((50,), 2.0)},
        "b": {"bias": None, "kernel": jnp.full((50,), 2.0)},
        "steps": jnp.array(3),
    }


def test_every_floating_leaf_is_dropped_with_a_key_of_its_own():
    keys = jax.random.split(jax.random.key(0), 3)
    got = drop_connect(jax.random.key(0), weights(), 0.4)
    wanted = weights()
    wanted["a"]["bias"] = dropout(keys[0], wanted["a"]["bias"], 0.4)
    wanted["a"]["kernel"] = dropout(keys[1], wanted["a"]["kernel"], 0.4)
    wanted["b"]["kernel"] = dropout(keys[2], wanted["b"]["kernel"], 0.4)
    chex.assert_trees_all_equal(got, wanted)
    chex.assert_trees_all_equal_shapes_and_dtypes(got, weights())
    masks_drawn = [np.asarray(leaf) == 0 for leaf in (got["a"]["bias"], got["a"]["kernel"], got["b"]["kernel"])]
    assert not np.array_equal(masks_drawn[1], masks_drawn[2])
    assert not np.array_equal(masks_drawn[0], masks_drawn[1])


def test_unselected_leaves_draw_nothing():
    chosen = masks.select("b/kernel", weights())
    got = drop_connect(jax.random.key(0), chosen, 0.4)
    wanted = dropout(jax.random.split(jax.random.key(0), 1)[0], weights()["b"]["kernel"], 0.4)
    assert jax.tree.structure(got) == jax.tree.structure(chosen)
    np.testing.assert_array_equal(got["b"]["kernel"], wanted)


def test_edges():
    chex.assert_trees_all_equal(drop_connect(jax.random.key(0), weights(), 0), weights())
    ones = drop_connect(jax.random.key(0), weights(), 1)
    np.testing.assert_array_equal(ones["a"]["kernel"], 0)
    assert ones["steps"] == 3
    for tree in ({}, {"steps": 3, "flag": True, "nothing": None}):
        assert drop_connect(jax.random.key(0), tree, 0.5) == tree
    assert float(drop_connect(jax.random.key(0), 2.0, 0.5)) in (0.0, 4.0)
    with pytest.raises(TypeError, match="`tree` must have real leaves, got complex ones at 'w'"):
        drop_connect(jax.random.key(0), {"w": jnp.ones(2, jnp.complex64)}, 0.5)
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\]"):
        drop_connect(jax.random.key(0), {}, 2)
