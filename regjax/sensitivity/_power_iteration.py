"""Power iteration for each example of a batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src.numerics import norm, widen
from regjax._src.shards import carried
from regjax._src.types import Array
from regjax.sensitivity._rows import row_axes


def unit(x: Array, otherwise: Array) -> Array:
    """Returns each example of `x` with norm one, or `otherwise` where it is zero.

    Dividing by the largest entry first keeps the squares in range.
    """
    x = widen(x)
    largest = jnp.max(jnp.abs(x), row_axes(x), keepdims=True)
    nothing = largest < jnp.finfo(x.dtype).tiny
    scaled = x / jnp.where(nothing, 1, largest)
    return jnp.where(nothing, otherwise.astype(x.dtype), scaled / jnp.where(nothing, 1, norm(scaled, row_axes(x))))


def iterate(operator: Callable[[Array], Array], start: Array, num_steps: int) -> Array:
    """Returns the direction that some steps lead to; it is a constant to derivatives.

    A step that leads to zero is not taken: nothing is better than another direction then, and one that is carried over
    to other parameters must not be lost.

    Args:
      operator: the symmetric matrix of each example, as a function.
      start: where to start, of any length.
      num_steps: how often the operator is applied.
    """

    def step(direction: Array) -> Array:
        return jax.lax.stop_gradient(unit(operator(direction), direction))

    start = jax.lax.stop_gradient(start)
    first = carried(step, unit(start, start))
    return jax.lax.fori_loop(0, num_steps, lambda _, direction: step(direction), first) if num_steps else first
