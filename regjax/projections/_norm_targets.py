"""The norm that a unit gets from the projections that only rescale units."""

import jax.numpy as jnp

from regjax._src.numerics import number
from regjax._src.types import Array, Scalar


def at_most(have: Array, bound: Scalar) -> Array:
    """Returns the norm, at most `bound`."""
    return jnp.minimum(have, number(bound, have.dtype))


def between(have: Array, minimum: Scalar, maximum: Scalar, rate: Scalar) -> Array:
    """Returns the norm after a share `rate` of the way to the interval."""
    share = number(rate, have.dtype)
    inside = jnp.clip(have, number(minimum, have.dtype), number(maximum, have.dtype))
    finite = jnp.minimum(have, jnp.finfo(have.dtype).max)  # no share of infinity would be NaN
    return jnp.where(inside == have, have, share * inside + (1 - share) * finite)


def one(have: Array) -> Array:
    """Returns 1."""
    return jnp.ones_like(have)


NORM_TARGETS = {"max_norm": at_most, "min_max_norm": between, "unit_norm": one}
