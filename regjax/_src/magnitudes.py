"""Odd functions of real numbers, written for their magnitudes."""

from collections.abc import Callable

import jax.numpy as jnp

from regjax._src.types import Array


def by_magnitude(function: Callable[[Array], Array], z: Array) -> Array:
    """Returns `function(|z|)` with the sign of z, with the derivative of `function` also at 0."""
    negative = z < 0
    result = function(jnp.where(negative, -z, z))
    return jnp.where(negative, -result, result)
