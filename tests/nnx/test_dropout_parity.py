"""Changing the import of `Dropout` changes no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import regjax.nnx

LAYERS = {"regjax": regjax.nnx.Dropout, "flax": nnx.Dropout}


def assert_bitwise_equal(function):
    """Compares what a function of the class of the layer returns."""
    got, wanted = (jax.tree.leaves(function(layer)) for layer in LAYERS.values())
    assert got
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


class Network(nnx.Module):
    def __init__(self, dropout, rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.first = dropout(0.3, rngs=rngs)
        self.second = dropout(0.3, broadcast_dims=(-1,), rngs=rngs["dropout"])

    def __call__(self, x):
        return self.second(self.linear(self.first(x)))


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4)], ids=str)
def test_every_dtype_and_rate(shape):
    x = jnp.linspace(-3.0, 3.0, int(np.prod(shape))).reshape(shape)

    def run(dropout):
        rngs = nnx.Rngs(1)
        return [
            dropout(rate)(x.astype(dtype), rngs=rngs)
            for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
            for rate in (0, 0.1, 0.5, 0.999, 1.0)
        ]

    assert_bitwise_equal(run)


def test_a_model_trained_and_evaluated():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        model = Network(dropout, nnx.Rngs(0, dropout=1))
        results = [model(x), model(x)]
        model.eval()
        results += [model(x)]
        model.train()
        gradient = nnx.jit(nnx.grad(lambda model: model(x).sum()))(model)
        results += [gradient, model(x), model.first.rngs.count[...]]
        return results

    assert_bitwise_equal(run)


def test_call_time_streams_and_keys():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        layer = dropout(0.5, deterministic=True)
        rngs = nnx.Rngs(3, dropout=4)
        return [
            layer(x),
            layer(x, deterministic=False, rngs=rngs),
            layer(x, deterministic=False, rngs=rngs["dropout"]),
            layer(x, deterministic=False, rngs=rngs.params()),
            dropout(0.5, rng_collection="other")(x, rngs=rngs),
        ]

    assert_bitwise_equal(run)


def test_under_vmap_scan_and_remat():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        @nnx.split_rngs(splits=3)
        @nnx.vmap
        def stack_of(rngs):
            return Network(dropout, rngs)

        @nnx.jit
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=(nnx.Carry, 0))
        def scanned(model, x):
            y = nnx.remat(lambda model, x: model(x))(model, x)
            return y, y

        @nnx.jit
        @nnx.vmap(in_axes=(0, None), out_axes=0)
        def mapped(model, x):
            return model(x)

        stack = stack_of(nnx.Rngs(0, dropout=1))
        layer = dropout(0.5)
        keys = jax.random.split(jax.random.key(2), 3)
        return scanned(stack, x), mapped(stack, x), jax.vmap(lambda x, key: layer(x, rngs=key))(x, keys)

    assert_bitwise_equal(run)


def test_states_and_graphs_have_the_same_layout():
    ours, theirs = (nnx.split(Network(dropout, nnx.Rngs(0, dropout=1)))[1] for dropout in LAYERS.values())
    # A checkpoint of the one can be restored into the other.
    assert [path for path, _ in nnx.to_flat_state(ours)] == [path for path, _ in nnx.to_flat_state(theirs)]
