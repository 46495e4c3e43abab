"""Updates too small for a dtype arrive on average, and everything else is as in `optax.apply_updates`."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import regularizers, transforms
from tests.cases import tree

apply_updates = jax.jit(transforms.apply_updates_stochastic_rounding)


@functools.partial(jax.jit, static_argnums=(0, 1))
def decayed(stochastic, dtype, params):
    """Parameters after 200 steps of a decay of 1e-4 and no gradient."""
    params = params.astype(dtype)
    tx = transforms.decoupled_weight_decay(1e-4)

    def step(carry, key):
        params, state = carry
        updates, state = tx.update(jnp.zeros(params.shape), state, params)
        if stochastic:
            return (transforms.apply_updates_stochastic_rounding(key, params, updates), state), None
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(jax.random.key(0), 200)
    return jax.lax.scan(step, (params, tx.init(params)), keys)[0][0].astype(jnp.float32)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=lambda d: jnp.dtype(d).name)
def test_small_steps_are_lost_in_rounding_to_the_nearest_and_kept_here(dtype):
    ones = jnp.ones(10_000)
    np.testing.assert_array_equal(decayed(False, dtype, ones), 1)
    np.testing.assert_allclose(decayed(False, jnp.float32, ones).mean(), 0.9802, atol=1e-4)
    after = decayed(True, dtype, ones)
    error = after.std() / 100
    assert after.std() > 1e-4
    np.testing.assert_allclose(after.mean(), (1 - 1e-4) ** 200, atol=4 * float(error))


def test_wide_leaves_and_integers_are_as_optax_makes_them(key):
    params = {"f": jnp.asarray([1.0, 2.0]), "n": jnp.int32(3), "none": None, "hidden": optax.MaskedNode()}
    updates = {"f": jnp.asarray([0.1, 1e-9]), "n": jnp.int32(-1), "none": None, "hidden": optax.MaskedNode()}
    chex.assert_trees_all_equal(apply_updates(key, params, updates), optax.apply_updates(params, updates))


def test_a_leaf_without_an_update_stays(key):
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones((0, 2), jnp.bfloat16)}
    got = apply_updates(key, params, {"a": None, "b": jnp.ones((0, 2))})
    chex.assert_trees_all_equal(got, params)
    assert apply_updates(jax.random.key(1), {}, {}) == {}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_zeros_of_an_operator_stay_zeros(key, dtype):
    params = tree(dtype)
    tx = transforms.proximal_step(regularizers.l1(0.5), 1.0)
    updates, _ = tx.update(jax.tree.map(lambda p: 0.01 * jnp.ones(p.shape), params), tx.init(params), params)
    after, nearest = apply_updates(key, params, updates), optax.apply_updates(params, updates)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, params)
    for mine, theirs in zip(jax.tree.leaves(after), jax.tree.leaves(nearest), strict=True):
        np.testing.assert_array_equal(mine == 0, theirs == 0)
        np.testing.assert_allclose(mine.astype(jnp.float32), theirs.astype(jnp.float32), rtol=2**-7)


def test_leaves_keys_and_entries_draw_for_themselves(key):
    ones = jnp.ones(4096, jnp.bfloat16)
    half = jnp.full(4096, 2.0**-8)
    one = apply_updates(key, {"a": ones, "b": ones}, {"a": half, "b": half})
    other = apply_updates(jax.random.key(1), {"a": ones, "b": ones}, {"a": half, "b": half})
    ups = [np.asarray(x > 1) for x in (one["a"], one["b"], other["a"], one["a"][::-1])]
    for i, first in enumerate(ups):
        np.testing.assert_allclose(first.mean(), 0.5, atol=0.04)
        for second in ups[:i]:
            np.testing.assert_allclose((first == second).mean(), 0.5, atol=0.05)


def test_wide_trees_are_traced_once_for_each_shape(key):
    params = {str(i): jnp.ones(64, jnp.bfloat16) for i in range(40)}
    updates = {name: jnp.full(64, 2.0**-8) for name in params}
    after = apply_updates(key, params, updates)
    eager = transforms.apply_updates_stochastic_rounding(jax.random.clone(key), params, updates)
    chex.assert_trees_all_equal(after, eager)
    assert len({tuple(np.asarray(leaf, np.float32)) for leaf in after.values()}) == 40


def test_bad_input(key):
    with pytest.raises(ValueError, match="`updates` must have the structure and shapes of `params`"):
        transforms.apply_updates_stochastic_rounding(key, {"a": jnp.ones(2)}, {"a": jnp.ones(3)})
    with pytest.raises(TypeError, match="`key` must be"):
        transforms.apply_updates_stochastic_rounding(0, {"a": jnp.ones(2)}, {"a": jnp.ones(2)})
