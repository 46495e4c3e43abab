"""Boxes of pixels."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from regjax._src.types import Array, Key


def centered_boxes(key: Key, sides: Array, spatial: Sequence[int]) -> tuple[Array, Array]:
    """Places boxes with their centers anywhere on the image, and cuts off what is outside.

    Args:
      key: a PRNG key.
      sides: integer array ``[boxes, axes]``.
      spatial: the size of each axis.

    Returns:
      The first pixels of the boxes and those behind their last ones, each ``[boxes, axes]``.
    """
    sizes = jnp.asarray([spatial], jnp.int32)
    low = jax.random.randint(key, sides.shape, 0, sizes, jnp.int32) - sides // 2
    return jnp.clip(low, 0, sizes), jnp.clip(low + sides, 0, sizes)


def inside(low: Array, high: Array, spatial: Sequence[int]) -> Array:
    """Returns a boolean array ``[boxes, *spatial, 1]``, true from `low` up to but not including `high`."""

    def along(axis: int, size: int) -> Array:
        index = jnp.arange(size, dtype=low.dtype)[None]
        within = (index >= low[:, axis, None]) & (index < high[:, axis, None])
        return jnp.expand_dims(within, [d for d in range(1, len(spatial) + 2) if d != axis + 1])

    return functools.reduce(jnp.logical_and, [along(axis, size) for axis, size in enumerate(spatial)])
