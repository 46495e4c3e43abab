"""One regularized training in Linen, NNX, Equinox and Haiku, each model as its users write it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import regjax.linen
import regjax.nnx
from regjax import constraints, diagnostics, masks, regularizers, stochastic, transforms

X = jnp.asarray(np.random.default_rng(0).normal(size=(512, 6)), jnp.float32)
Y = jnp.asarray(X[:, 0] > 0, jnp.int32)


class Setup(NamedTuple):
    """A model: its parameters, its outputs for (params, key), and the names of its first and last weights."""

    params: Any
    apply: Callable[[Any, jax.Array], jax.Array]
    first: str
    last: str
    axis: int = 0  # that is summed over for the norm of a unit's incoming weights


def linen() -> Setup:
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = nn.LayerNorm()(nn.relu(nn.Dense(8)(x)))
            return nn.Dense(2)(regjax.linen.Dropout(0.5)(x, deterministic=not train))

    model = Network()
    params = model.init(jax.random.key(0), X, train=False)
    return Setup(
        params,
        lambda params, key: model.apply(params, X, train=True, rngs={"dropout": key}),
        "params/Dense_0/kernel",
        "params/Dense_1/kernel",
    )


def nnx_setup() -> Setup:
    class Network(nnx.Module):
        def __init__(self, rngs):
            self.first, self.last = nnx.Linear(6, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)
            self.norm = nnx.LayerNorm(8, rngs=rngs)
            self.dropout = regjax.nnx.Dropout(0.5)

        def __call__(self, x, key):
            return self.last(self.dropout(self.norm(nnx.relu(self.first(x))), rngs=key))

    graph, params = nnx.split(Network(nnx.Rngs(0)))
    return Setup(params, lambda params, key: nnx.merge(graph, params)(X, key), "first/kernel", "last/kernel")


def equinox() -> Setup:
    class Network(eqx.Module):
        first: eqx.nn.Linear
        norm: eqx.nn.LayerNorm
        last: eqx.nn.Linear
        activation: Callable = jax.nn.relu  # a leaf that is no array

        def __init__(self, key):
            keys = jax.random.split(key)
            self.first, self.last = eqx.nn.Linear(6, 8, key=keys[0]), eqx.nn.Linear(8, 2, key=keys[1])
            self.norm = eqx.nn.LayerNorm(8)

        def __call__(self, x):
            return self.norm(self.activation(self.first(x)))

    params, static = eqx.partition(Network(jax.random.key(0)), eqx.is_inexact_array)

    def apply(params, key):
        model = eqx.combine(params, static)
        return jax.vmap(model.last)(stochastic.dropout(key, jax.vmap(model)(X), 0.5))

    return Setup(params, apply, "first/weight", "last/weight", axis=-1)  # (out, in)


def haiku() -> Setup:
    def network():
        x = hk.LayerNorm(-1, create_scale=True, create_offset=True)(jax.nn.relu(hk.Linear(8)(X)))
        return hk.Linear(2)(stochastic.dropout(hk.next_rng_key(), x, 0.5))

    model = hk.transform(network)
    params = model.init(jax.random.key(0))
    return Setup(params, model.apply, "linear/w", "linear_1/w")


@pytest.mark.parametrize("make", [linen, nnx_setup, equinox, haiku])
def test_a_model_as_its_users_write_it(make):
    setup = make()
    weights = (setup.first, setup.last)
    groups = regularizers.group_lasso(0.2, axis=1 - setup.axis % 2, mask=setup.first)
    tx = optax.chain(
        optax.sgd(0.1),
        transforms.decoupled_weight_decay(0.1, 0.1, mask=masks.no_bias_or_norm()),
        transforms.proximal_step(groups, 0.1),
        transforms.project(constraints.max_norm(0.2, axis=setup.axis, mask=setup.last)),
    )
    described = diagnostics.describe(tx, setup.params)
    decayed = {row.path for row in described.rows if "decoupled_weight_decay" in str(row.rules)}
    assert decayed == set(weights)
    assert {row.path for row in described.rows if "group_lasso" in str(row.rules)} == {setup.first}

    @jax.jit
    def train(params):
        def step(carry, key):
            params, state = carry

            def loss(params):
                return optax.softmax_cross_entropy_with_integer_labels(setup.apply(params, key), Y).mean()

            value, gradients = jax.value_and_grad(loss)(params)
            updates, state = tx.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(step, (params, tx.init(params)), jax.random.split(jax.random.key(1), 200))

    (params, _), losses = train(setup.params)
    chex.assert_trees_all_equal_shapes_and_dtypes(params, setup.params)
    assert losses[-10:].mean() < losses[:5].mean()
    # What the noise of the last step may have pushed off zero goes back.
    params = groups.prox(params, 0.1)
    leaves = dict(zip([row.path for row in described.rows], jax.tree.leaves(params), strict=True))
    # Inputs are dropped as a whole, but for the one that tells the label.
    kept = np.any(np.asarray(leaves[setup.first]) != 0, axis=1 - setup.axis % 2)
    np.testing.assert_array_equal(kept, [True] + [False] * 5)
    norms = jnp.linalg.norm(leaves[setup.last], axis=setup.axis)
    np.testing.assert_allclose(norms, 0.2, rtol=1e-6)
