"""DropConnect in NNX: whose weights lose entries, and what is left alone."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import masks, stochastic
from regjax.nnx import DropConnect

X = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 5, rngs=rngs)
        self.norm = nnx.BatchNorm(5, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.second = nnx.Linear(5, 2, rngs=rngs)

    def __call__(self, x, scale=1.0, *, deterministic=None):
        x = self.drop(self.norm(self.first(x), use_running_average=deterministic), deterministic=deterministic)
        return self.second(x) * scale


def params_of(module):
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def others_of(module):
    return nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.Param)))


@pytest.mark.parametrize(
    "mask",
    ["**/kernel", ("first/bias", re.compile("second/k")), {"first": False, "norm": False, "second": True}],
    ids=str,
)
def test_numbers_are_those_of_the_function_on_the_selected_weights(mask):
    layer = DropConnect(Block(nnx.Rngs(0)), 0.5, mask=mask)
    before = params_of(layer)
    variables = list(nnx.to_flat_state(nnx.state(layer)))
    got = layer(X, 2.0, rngs=jax.random.key(1))

    reference = Block(nnx.Rngs(0))
    chosen = stochastic.drop_connect(jax.random.key(1), masks.select(mask, params_of(reference)), 0.5)
    flat = dict(jax.tree_util.tree_flatten_with_path(chosen)[0])
    dropped = jax.tree_util.tree_map_with_path(lambda path, leaf: flat.get(path, leaf), params_of(reference))
    state = nnx.state(reference, nnx.Param)
    nnx.replace_by_pure_dict(state, dropped)
    nnx.update(reference, state)
    wanted = reference(X, 2.0)

    np.testing.assert_array_equal(got, wanted)
    # Batch statistics and streams move; the parameters do not.
    jax.tree.map(np.testing.assert_array_equal, params_of(layer), before)
    ours, theirs = others_of(layer.layer), others_of(reference)
    for name in ("mean", "var"):
        np.testing.assert_array_equal(ours["norm"][name], theirs["norm"][name])
    assert float(jnp.abs(ours["norm"]["mean"]).sum()) > 0
    assert int(ours["drop"]["rngs"]["count"]) == 1
    assert [path for path, _ in nnx.to_flat_state(nnx.state(layer))] == [path for path, _ in variables]


def test_deterministic_is_the_layer_itself():
    layer = DropConnect(Block(nnx.Rngs(0)), 0.5)
    np.testing.assert_array_equal(layer(X, deterministic=True), layer.layer(X, deterministic=True))
    layer.eval()
    np.testing.assert_array_equal(layer(X), layer.layer(X))
    assert int(others_of(layer.layer)["drop"]["rngs"]["count"]) == 0


def test_parameters_stay_when_the_layer_fails():
    layer = DropConnect(Block(nnx.Rngs(0)), 0.5)
    before = params_of(layer)
    with pytest.raises(TypeError):
        layer(X, "not a number", rngs=jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, params_of(layer), before)


def test_dropped_weights_get_no_gradient():
    layer = DropConnect(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), 0.5)
    kept = stochastic.dropout(jax.random.split(jax.random.key(1), 1)[0], jnp.ones((3, 4)), 0.5)
    gradient = nnx.jit(nnx.grad(lambda layer: layer(X, rngs=jax.random.key(1)).sum()))(layer)
    gradient = nnx.to_pure_dict(gradient)["layer"]
    np.testing.assert_allclose(gradient["kernel"], np.asarray(X.sum(0))[:, None] * np.asarray(kept), atol=1e-6)
    np.testing.assert_allclose(gradient["bias"], 4.0)


def test_what_has_not_changed_is_not_written():
    # Writing to a module from inside of a transformation that closes over it is an error.
    layer = DropConnect(
        nnx.Sequential(
            nnx.Linear(3, 3, rngs=nnx.Rngs(0)), nnx.BatchNorm(3, use_running_average=True, rngs=nnx.Rngs(1))
        ),
        0.5,
    )
    mapped = jax.vmap(lambda key: layer(X, rngs=key))(jax.random.split(jax.random.key(0), 3))
    assert mapped.shape == (3, 4, 3)


def test_what_the_layer_keeps_for_the_first_time_is_kept():
    class Remembers(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(3, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            self.last = nnx.Intermediate(x)
            return self.linear(x)

    layer = DropConnect(Remembers(), 0.5)
    layer(X, rngs=jax.random.key(0))
    np.testing.assert_array_equal(layer.layer.last[...], X)
    layer(2 * X, rngs=jax.random.key(0))
    np.testing.assert_array_equal(layer.layer.last[...], 2 * X)


def test_arrays_that_are_not_variables_are_left_alone():
    class Scaled(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
            self.scale = jnp.float32(2.0)

        def __call__(self, x):
            return self.scale * self.linear(x)

    layer = DropConnect(Scaled(), 1.0)
    np.testing.assert_array_equal(nnx.jit(lambda layer: layer(X))(layer), 0)
    np.testing.assert_array_equal(jax.vmap(lambda x: layer(x))(X), 0)


def test_a_mask_that_matches_nothing_is_an_error():
    layer = DropConnect(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), 0.5, mask="**/weight")
    with pytest.raises(ValueError, match=r"`mask` must match a floating leaf, got '\*\*/weight' for the paths"):
        layer(X, rngs=jax.random.key(1))
    with pytest.raises(TypeError, match="`mask` must be"):
        DropConnect(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), 0.5, mask=3)
