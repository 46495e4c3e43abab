"""Concrete dropout in Linen: the numbers of the function, with a rate that is a parameter."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regjax
from regjax import linen
from regjax.stochastic import concrete_dropout

X = jnp.linspace(-2.0, 2.0, 24).reshape(4, 3, 2)


def test_numbers_are_those_of_the_function():
    layer = linen.ConcreteDropout(0.3, temperature=0.2, broadcast_dims=(1,))
    variables = layer.init(jax.random.key(0), X)
    logit = variables["params"]["rate_logit"]
    assert logit.shape == ()
    np.testing.assert_allclose(jax.nn.sigmoid(logit), 0.3, rtol=1e-6)
    wanted = concrete_dropout(jax.random.key(1), X, logit, temperature=0.2, broadcast_dims=(1,))
    np.testing.assert_array_equal(layer.apply(variables, X, False, jax.random.key(1)), wanted)
    np.testing.assert_array_equal(layer.apply(variables, X, deterministic=False, rng=jax.random.key(1)), wanted)
    rngs = {"noise": jax.random.key(1)}
    named = layer.clone(rng_collection="noise", deterministic=False)
    assert not np.array_equal(named.apply(variables, X, rngs=rngs), X)
    # A parameter that was read from a file is an array of NumPy, and 0 is a rate of 1/2.
    variables = {"params": {"rate_logit": np.float32(0.0)}}
    wanted = concrete_dropout(jax.random.key(1), X, 0.0, temperature=0.2, broadcast_dims=(1,))
    np.testing.assert_array_equal(layer.apply(variables, X, False, jax.random.key(1)), wanted)


def test_deterministic_and_missing_flags_and_streams():
    layer = linen.ConcreteDropout()
    variables = layer.init({"params": jax.random.key(0)}, X)
    np.testing.assert_allclose(jax.nn.sigmoid(variables["params"]["rate_logit"]), 0.1, rtol=1e-6)
    assert layer.apply(variables, X, deterministic=True) is X
    assert layer.clone(deterministic=True).apply(variables, X) is X
    with pytest.raises(ValueError, match="`deterministic` must be set"):
        layer.apply(variables, X, rngs={"dropout": jax.random.key(0)})
    with pytest.raises(ValueError, match="`rngs` must have a key for the stream 'dropout'"):
        layer.apply(variables, X, deterministic=False)
    run = jax.jit(lambda flag: layer.apply(variables, X, flag, jax.random.key(1)))
    np.testing.assert_array_equal(run(True), X)
    wanted = layer.apply(variables, X, False, jax.random.key(1))
    np.testing.assert_allclose(run(False), wanted, rtol=1e-5, atol=1e-6)


def test_monte_carlo_passes_switch_it_on():
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return linen.ConcreteDropout(0.5, deterministic=True)(x)

    model = Model()
    variables = model.init(jax.random.key(0), X)
    first, second = (linen.mc_apply(model, variables, jax.random.key(seed), X) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_rate_has_gradients_from_the_loss_and_from_the_penalty():
    layer = linen.ConcreteDropout(0.2, deterministic=False)
    variables = layer.init(jax.random.key(0), X)

    def loss(params, strength):
        out = layer.apply({"params": params}, X, rngs={"dropout": jax.random.key(1)})
        penalty = regjax.stochastic.concrete_dropout_penalty(
            jnp.ones(2), params["rate_logit"], num_features=2, weight_strength=0.0, entropy_strength=strength
        )
        return jnp.square(out - X).mean() + penalty

    slopes = [jax.grad(loss)(variables["params"], strength)["rate_logit"] for strength in (0.0, 100.0)]
    assert slopes[0] > 0 > slopes[1]


def test_arguments_are_checked():
    for rate in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"`init_rate` must be in \(0, 1\), got"):
            linen.ConcreteDropout(rate)
    with pytest.raises(TypeError, match="`init_rate` must be a number"):
        linen.ConcreteDropout("0.1")
    with pytest.raises(ValueError, match="`temperature` must be finite and > 0, got 0"):
        linen.ConcreteDropout(temperature=0)
