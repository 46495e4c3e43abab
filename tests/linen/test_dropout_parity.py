"""Changing the import of `Dropout` changes no number."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen

LAYERS = {"regjax": linen.Dropout, "flax": nn.Dropout}


def assert_bitwise_equal(function):
    """Compares what a function of the class of the layer returns."""
    got, wanted = (jax.tree.leaves(function(layer)) for layer in LAYERS.values())
    assert got
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def network(dropout, rate=0.3, **fields):
    """Makes a model with two layers of dropout, of which one is shared by two calls."""

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            x = dropout(rate, **fields)(x, deterministic=not train)
            shared = dropout(rate, (-1,), not train)
            return shared(nn.Dense(4)(x)), shared(x)

    return Network()


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4)], ids=str)
def test_every_dtype_and_rate(shape):
    x = jnp.linspace(-3.0, 3.0, int(np.prod(shape))).reshape(shape)

    def run(dropout):
        return [
            dropout(rate, deterministic=False).apply({}, x.astype(dtype), rngs={"dropout": jax.random.key(1)})
            for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
            for rate in (0, 0.1, 0.5, 0.999, 1.0)
        ]

    assert_bitwise_equal(run)


def test_a_model_trained_and_evaluated():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        model = network(dropout)
        variables = model.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x)
        train = model.apply(variables, x, rngs={"dropout": jax.random.key(2)})
        return variables, train, model.apply(variables, x, train=False)

    assert_bitwise_equal(run)


@pytest.mark.parametrize("rate", [0, 0.1, 0.999, 1.0])
def test_under_jit_and_grad(rate):
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        model = network(dropout, rate)
        variables = model.init(jax.random.key(0), x, train=False)

        @jax.jit
        def gradient(variables, key):
            return jax.grad(lambda v: model.apply(v, x, rngs={"dropout": key})[0].sum())(variables)

        return gradient(variables, jax.random.key(2))

    assert_bitwise_equal(run)


def test_under_vmap():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        layer = dropout(0.4, deterministic=False)
        keys = jax.random.split(jax.random.key(2), 3)
        lifted = nn.vmap(dropout, variable_axes={}, split_rngs={"dropout": True})(0.4, deterministic=False)
        return (
            jax.vmap(lambda x, key: layer.apply({}, x, rngs={"dropout": key}))(x, keys),
            lifted.apply({}, x, rngs={"dropout": jax.random.key(3)}),
        )

    assert_bitwise_equal(run)


@pytest.mark.parametrize("split", [True, False])
def test_under_scan_and_remat(scan, split):
    x = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def run(dropout):
        class Layer(nn.Module):
            @nn.compact
            def __call__(self, x, _):
                x = dropout(0.4, deterministic=False)(nn.Dense(4)(x))
                return x, x == 0

        stack = scan(
            nn.remat(Layer, prevent_cse=False), {"params": 0}, split_rngs={"params": True, "dropout": split}, length=3
        )()
        variables = stack.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x, None)
        y, dropped = jax.jit(stack.apply)(variables, x, None, rngs={"dropout": jax.random.key(2)})
        # Layers have masks of their own where the stream is split, and one mask where it is not.
        assert (split is False) == all(np.array_equal(dropped[0], layer) for layer in dropped[1:])
        return y, dropped

    assert_bitwise_equal(run)


def test_a_stack_may_scan_over_rates_and_remat_over_the_flag(scan):
    x = jnp.ones((2, 50))

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, rate, deterministic):
            y = nn.remat(linen.Dropout)(0.5)(x, deterministic)
            return linen.StochasticDepth(0.5)(y, deterministic, rate=rate), (y == 0).mean()

    stack = scan(Layer, {}, split_rngs={"dropout": True}, in_axes=(0, nn.broadcast))()
    run = jax.jit(stack.apply)
    for deterministic in (True, False):
        y, dropped = run({}, x, jnp.array([0.0, 0.0]), deterministic, rngs={"dropout": jax.random.key(0)})
        assert np.array_equal(y, x) == deterministic
        assert (0.25 < dropped[0] < 0.75) != deterministic
