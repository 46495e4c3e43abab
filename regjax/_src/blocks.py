"""Large arrays in pieces that stay in cache."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src.types import Array

# Entries of a block: a few arrays of this many float32 numbers lie in the cache that the cores share, and one has work
# for several cores.
_BLOCK_SIZE = 2**18
# Entries that are read at a stretch where the last axis is cut: a few lines of the cache.
_STRETCH = 64


def is_large(shape: tuple[int, ...]) -> bool:
    """Tells whether to care how an array of this shape goes through memory: where it has several blocks.

    On several devices arrays may be sharded, and cutting them would gather them.
    """
    return math.prod(shape) > _BLOCK_SIZE and jax.device_count() == 1


def is_early(after: Array) -> Array:
    """Returns False, which the compiler does not know before it has `after`: no number is above infinity.

    What is chosen by it waits for `after`.
    """
    return after > jnp.inf


def waiting(array: Array, after: Array) -> Array:
    """Returns `array`, which the compiler can't use before `after` is known."""
    return jnp.where(is_early(after), jnp.zeros_like(array), array)


def stored(array: Array, after: Array) -> Array:
    """Returns `array`, on a CPU computed once and not before `after` is known.

    Left to itself the compiler computes it again in everything that uses it.
    """
    # The loop never runs. The compiler does not know: it has to store what goes into the loop.
    return jax.lax.while_loop(_is_on, _ended, (is_early(after), waiting(array, after)))[1]


# Each is one object, by which JAX knows outside of `jit` that it has compiled the loop already.
def _is_on(carry: tuple[Array, Array]) -> Array:
    return carry[0]


def _ended(carry: tuple[Array, Array]) -> tuple[Array, Array]:
    return jnp.zeros_like(carry[0]), -carry[1]


def is_cut(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Tells whether an array is large enough, and has enough groups along `axes`, to be computed in blocks."""
    axis = _longest(shape, axes)
    return axis is not None and is_large(shape) and shape[axis] > _length(shape, axis)


def merged(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns a shape with neighboring axes made one where all or none of them are in `axes`, and the `axes` of that.

    Axes of size one that are not in `axes` are dropped.

    Loops over few long axes are fast, and an array is reshaped to this without moving anything.
    """
    sizes: list[int] = []
    kinds: list[bool] = []
    for axis, size in enumerate(shape):
        if size == 1 and axis not in axes:
            continue
        if kinds and kinds[-1] == (axis in axes):
            sizes[-1] *= size
        else:
            sizes.append(size)
            kinds.append(axis in axes)
    return tuple(sizes), tuple(at for at, kind in enumerate(kinds) if kind)


def in_blocks(
    function: Callable[..., Array], axes: tuple[int, ...], array: Array, *others: Array, after: Array | None = None
) -> Array:
    """Returns `function(array, *others)`, on a CPU computed for one block of groups after the other.

    A function that goes over its arguments several times reads memory once that way, and its temporary arrays never
    reach it. Elsewhere, and where the array is small or its groups are large, this is a plain call.

    Args:
      function: from arrays of one shape to one of that shape and of the dtype of the first, acting on each group by
        itself.
      axes: the axes of one group; blocks are cut along the longest of the others.
      array: its first argument, whose memory the result takes where it can.
      *others: its other arguments.
      after: a result to wait for. Where many arrays are computed at once, the temporary ones of all live at the same
        time, and fresh memory costs more than the arithmetic; in turn they use the same.
    """
    axis = _longest(array.shape, axes)
    if axis is None or not is_cut(array.shape, axes):
        return function(array, *others)
    length = _length(array.shape, axis)
    whole, rest = divmod(array.shape[axis], length)

    def on_block(start: Array | int, size: int, out: Array, *others: Array) -> Array:
        blocks = [jax.lax.dynamic_slice_in_dim(a, start, size, axis) for a in (out, *others)]
        return jax.lax.dynamic_update_slice_in_dim(out, function(*blocks), start, axis)

    def blocked(array: Array, *others: Array) -> Array:
        if after is not None:
            array = waiting(array, after)
            others = tuple(waiting(other, after) for other in others)
        out = jax.lax.fori_loop(0, whole, lambda i, out: on_block(i * length, length, out, *others), array)
        return on_block(whole * length, rest, out, *others) if rest else out

    return jax.lax.platform_dependent(array, *others, cpu=blocked, default=function)


def _longest(shape: tuple[int, ...], axes: tuple[int, ...]) -> int | None:
    return max((a for a in range(len(shape)) if a not in axes), key=lambda a: shape[a], default=None)


def _length(shape: tuple[int, ...], axis: int) -> int:
    """Returns how much of an axis is in one block."""
    least = _STRETCH if axis == len(shape) - 1 else 1
    return max(_BLOCK_SIZE * shape[axis] // math.prod(shape), least)
