"""DropConnect in Linen: whose weights lose entries, and what is left alone."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen, masks, stochastic

X = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, scale=1.0, deterministic=None):
        x = nn.BatchNorm(use_running_average=bool(deterministic), name="norm")(nn.Dense(5, name="first")(x))
        return nn.Dense(2, name="second")(x) * scale


@pytest.mark.parametrize("mask", ["**/kernel", None, ("first/bias", re.compile("second/k"))], ids=str)
def test_numbers_are_those_of_the_function_on_the_selected_weights(mask):
    layer = linen.DropConnect(Block(), 0.5, mask=mask)
    variables = layer.init(jax.random.key(0), X)
    got, updated = layer.apply(
        variables, X, 2.0, deterministic=False, rng=jax.random.key(1), mutable=["batch_stats", "params"]
    )

    params = variables["params"]["layer"]
    chosen = stochastic.drop_connect(jax.random.key(1), masks.select(mask, params), 0.5)
    flat = dict(jax.tree_util.tree_flatten_with_path(chosen)[0])
    dropped = jax.tree_util.tree_map_with_path(lambda path, leaf: flat.get(path, leaf), params)
    inner = {"params": dropped, "batch_stats": variables["batch_stats"]["layer"]}
    wanted, stats = Block().apply(inner, X, 2.0, deterministic=False, mutable=["batch_stats"])

    np.testing.assert_array_equal(got, wanted)
    # Batch statistics move; the parameters do not.
    jax.tree.map(np.testing.assert_array_equal, updated["batch_stats"]["layer"], stats["batch_stats"])
    jax.tree.map(np.testing.assert_array_equal, updated.get("params", variables["params"]), variables["params"])
    assert not np.array_equal(updated["batch_stats"]["layer"]["norm"]["mean"], np.zeros(5))


def test_deterministic_is_the_layer_itself():
    layer = linen.DropConnect(Block(), 0.5)
    variables = layer.init(jax.random.key(0), X)
    inner = {name: tree["layer"] for name, tree in variables.items()}
    got = layer.apply(variables, X, deterministic=True)
    np.testing.assert_array_equal(got, Block().apply(inner, X, deterministic=True))


def test_dropped_weights_get_no_gradient():
    layer = linen.DropConnect(nn.Dense(4), 0.5)
    variables = layer.init(jax.random.key(0), X)
    kernel = variables["params"]["layer"]["kernel"]
    keys = jax.random.split(jax.random.key(1), 1)
    kept = stochastic.dropout(keys[0], jnp.ones_like(kernel), 0.5)
    gradient = jax.jit(jax.grad(lambda v: layer.apply(v, X, deterministic=False, rng=jax.random.key(1)).sum()))(
        variables
    )["params"]["layer"]
    np.testing.assert_allclose(gradient["kernel"], np.asarray(X.sum(0))[:, None] * np.asarray(kept), atol=1e-6)
    np.testing.assert_allclose(gradient["bias"], 4.0)


def test_a_schedule_of_rates_compiles_once():
    layer = linen.DropConnect(nn.Dense(4), 0.5, deterministic=False)
    variables = layer.init(jax.random.key(0), X)
    traces = []

    @jax.jit
    def run(rate):
        traces.append(None)
        return layer.apply(variables, X, rng=jax.random.key(1), rate=rate)

    np.testing.assert_allclose(run(0.0), layer.apply(variables, X, deterministic=True), rtol=1e-6)
    np.testing.assert_allclose(run(0.5), layer.apply(variables, X, rng=jax.random.key(1)), rtol=1e-6)
    np.testing.assert_array_equal(run(1.0), jnp.zeros((4, 4)))
    assert len(traces) == 1


def test_layers_that_hold_modules_made_elsewhere():
    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x):
            # The residual belongs to this module, not to the block that holds it.
            inner = linen.ResidualBlock(nn.Sequential([nn.Dense(8), nn.Dense(3)]), 0.0)
            return linen.DropConnect(inner, 1.0, deterministic=False)(x)

    variables = Outer().init(jax.random.key(0), X)
    np.testing.assert_array_equal(Outer().apply(variables, X), X)


def test_several_scopes_lose_different_entries():
    class Pair(nn.Module):
        one: nn.Module
        two: nn.Module

        def __call__(self, x):
            return self.one(x), self.two(x)

    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x):
            ones = nn.initializers.ones
            pair = Pair(nn.Dense(20, kernel_init=ones), nn.Dense(20, kernel_init=ones))
            return linen.DropConnect(pair, 0.5, deterministic=False)(x)

    x = jnp.eye(3)
    variables = Outer().init(jax.random.key(0), x)
    one, two = Outer().apply(variables, x, rngs={"dropout": jax.random.key(1)})
    assert set(one.ravel().tolist()) == set(two.ravel().tolist()) == {0.0, 2.0}
    assert not np.array_equal(one, two)


def test_a_mask_that_matches_nothing_is_an_error():
    layer = linen.DropConnect(nn.Dense(4), 0.5, mask="**/weight", deterministic=False)
    variables = layer.init(jax.random.key(0), X)
    with pytest.raises(ValueError, match=r"`mask` must match a floating leaf, got '\*\*/weight' for the paths"):
        layer.apply(variables, X, rng=jax.random.key(1))


def test_under_scan_every_layer_loses_its_own_entries(scan):
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            y = linen.DropConnect(nn.Dense(3, kernel_init=nn.initializers.ones), 0.5, deterministic=False)(jnp.eye(3))
            return x, y

    stack = scan(nn.remat(Layer), {"params": 0}, split_rngs={"params": True, "dropout": True}, length=4)()
    variables = stack.init(jax.random.key(0), X, None)
    _, kernels = jax.jit(stack.apply)(variables, X, None, rngs={"dropout": jax.random.key(1)})
    assert len({np.asarray(kernel).tobytes() for kernel in kernels}) == 4
