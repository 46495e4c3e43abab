"""Masksembles in NNX: the numbers of the function, and no state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import nnx as layers
from regjax.stochastic import masksembles, masksembles_masks

X = jnp.linspace(-2.0, 2.0, 6 * 2 * 8).reshape(6, 2, 8)


def test_numbers_are_those_of_the_function_and_there_is_no_state():
    layer = layers.Masksembles(3, 2.0, seed=2**40)
    assert not jax.tree.leaves(nnx.state(layer))
    wanted = masksembles(X, masksembles_masks(8, 3, 2.0, seed=2**40))
    np.testing.assert_array_equal(nnx.jit(lambda layer, x: layer(x))(layer, X), wanted)
    layer.eval()
    np.testing.assert_array_equal(layer(X), wanted)
    assert not np.array_equal(layers.Masksembles(3, 2.0)(X), wanted)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`num_masks` must be >= 1, got 0"):
        layers.Masksembles(0, 2.0)
    with pytest.raises(ValueError, match="`scale` must be finite and >= 1, got 0.5"):
        layers.Masksembles(4, 0.5)
    with pytest.raises(ValueError, match=r"`inputs` must have shape \[batch, ..., features\], got \(8,\)"):
        layers.Masksembles(4, 2.0)(jnp.ones(8))
