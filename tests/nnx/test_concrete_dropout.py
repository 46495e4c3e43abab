"""Concrete dropout in NNX: the numbers of the function, with a rate that is a parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import nnx as layers
from regjax import stochastic

X = jnp.linspace(-2.0, 2.0, 24).reshape(4, 3, 2)


def test_numbers_are_those_of_the_function():
    layer = layers.ConcreteDropout(0.3, temperature=0.2, broadcast_dims=[1])
    assert isinstance(layer.rate_logit, nnx.Param)
    logit = layer.rate_logit[...]
    assert logit.shape == ()
    np.testing.assert_allclose(jax.nn.sigmoid(logit), 0.3, rtol=1e-6)
    wanted = stochastic.concrete_dropout(jax.random.key(1), X, logit, temperature=0.2, broadcast_dims=(1,))
    np.testing.assert_array_equal(layer(X, rngs=jax.random.key(1)), wanted)
    drawing = layers.ConcreteDropout(0.3, temperature=0.2, broadcast_dims=(1,), rngs=nnx.Rngs(dropout=3))
    key = nnx.Rngs(dropout=3)["dropout"].fork()()
    wanted = stochastic.concrete_dropout(key, X, logit, temperature=0.2, broadcast_dims=(1,))
    np.testing.assert_array_equal(drawing(X), wanted)
    assert not np.array_equal(drawing(X), wanted)
    # 0 is a rate of 1/2, also where it was read from a file.
    layer.rate_logit = nnx.Param(np.zeros((), np.float32))
    wanted = stochastic.concrete_dropout(jax.random.key(1), X, 0.0, temperature=0.2, broadcast_dims=(1,))
    np.testing.assert_array_equal(layer(X, rngs=jax.random.key(1)), wanted)


def test_train_eval_and_missing_streams():
    layer = layers.ConcreteDropout()
    np.testing.assert_allclose(jax.nn.sigmoid(layer.rate_logit[...]), 0.1, rtol=1e-6)
    assert layer(X, deterministic=True) is X
    with pytest.raises(ValueError, match="`rngs` must be given to the constructor or to the call"):
        layer(X)
    layer.eval()
    assert layer(X) is X
    layer.train()
    assert not np.array_equal(layer(X, rngs=jax.random.key(0)), X)
    layer.set_view(deterministic=True)
    assert layer(X) is X
    first, second = (layers.mc_call(layer, jax.random.key(seed), X) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_rate_has_gradients_from_the_loss_and_from_the_penalty():
    layer = layers.ConcreteDropout(0.2)

    @nnx.jit
    @nnx.grad
    def slope(layer, strength):
        penalty = stochastic.concrete_dropout_penalty(
            jnp.ones(2), layer.rate_logit[...], num_features=2, weight_strength=0.0, entropy_strength=strength
        )
        return jnp.square(layer(X, rngs=jax.random.key(1)) - X).mean() + penalty

    slopes = [jax.tree.leaves(slope(layer, strength))[0] for strength in (0.0, 100.0)]
    assert slopes[0] > 0 > slopes[1]


def test_arguments_are_checked():
    for rate in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"`init_rate` must be in \(0, 1\), got"):
            layers.ConcreteDropout(rate)
    with pytest.raises(ValueError, match="`temperature` must be finite and > 0, got 0"):
        layers.ConcreteDropout(temperature=0)
