"""Masksembles in Linen: the numbers of the function, and no state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen
from regjax.stochastic import masksembles, masksembles_masks

X = jnp.linspace(-2.0, 2.0, 6 * 2 * 8).reshape(6, 2, 8)


def test_numbers_are_those_of_the_function_and_there_is_no_state():
    layer = linen.Masksembles(3, 2.0, seed=5)
    assert not layer.init(jax.random.key(0), X)
    wanted = masksembles(X, masksembles_masks(8, 3, 2.0, seed=5))
    np.testing.assert_array_equal(jax.jit(layer.apply)({}, X), wanted)
    assert not np.array_equal(linen.Masksembles(3, 2.0).apply({}, X), wanted)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`num_masks` must be >= 1, got 0"):
        linen.Masksembles(0, 2.0)
    with pytest.raises(ValueError, match="`scale` must be finite and >= 1, got 0.5"):
        linen.Masksembles(4, 0.5)
    for shape in ((8,), (4, 0)):
        with pytest.raises(ValueError, match=r"`inputs` must have shape \[batch, ..., features\], got \("):
            linen.Masksembles(4, 2.0).apply({}, jnp.ones(shape))
