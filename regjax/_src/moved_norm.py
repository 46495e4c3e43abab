"""Norms of units that are about to move."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.blocks import merged, stored, waiting
from regjax._src.numerics import add, in_range, norm, norm_in_range
from regjax._src.types import Array

# From how many columns on rows are added up in a loop: XLA takes far longer for the sum of long rows on some versions.
_WIDE = 2**13
# Rows that are added up before they are added to the others.
_ROWS = 4


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def moved_norm(u: Array, p: Array, after: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Returns `u` and the norms of `p + u` along `axes`, which are kept with size one.

    On a CPU writing to memory that is new costs more than the arithmetic of a step. Left to itself the compiler
    computes the updates of all leaves before it uses the first, and the moved leaves as well. Here `u` is computed once
    and not before `after` is known, so that all leaves get by with the memory of one, and `p + u` is never stored.
    Elsewhere this is the plain formula.

    Args:
      u: the update.
      p: what it moves, of the same shape.
      after: any number that has to be known first.
      axes: non-negative axes to sum over.
    """

    def in_turn(u: Array, p: Array, after: Array) -> tuple[Array, Array]:
        u = stored(u, after)
        have = in_range(jnp.sqrt(_sum_of_squares(u, p, axes)), axes, add, p, u)
        # To the compiler it is another `u`: it would store `p + u` if what measures and what moves had it in common.
        return waiting(u, have[(0,) * have.ndim]), have

    def plain(u: Array, p: Array, _: Array) -> tuple[Array, Array]:
        return u, norm_in_range(add(p, u), axes)

    return jax.lax.platform_dependent(u, p, after, cpu=in_turn, default=plain)


@moved_norm.defjvp
def _moved_norm_jvp(axes: tuple[int, ...], primals: Any, tangents: Any) -> Any:
    (u, p, after), (du, dp, _) = primals, tangents
    _, change = jax.jvp(lambda u, p: norm(add(p, u), axes), (u, p), (du, dp))
    return moved_norm(u, p, after, axes), (du, change)


def _sum_of_squares(u: Array, p: Array, axes: tuple[int, ...]) -> Array:
    kept = tuple(1 if a in axes else n for a, n in enumerate(p.shape))
    shape, axes = merged(p.shape, axes)
    u, p = u.reshape(shape), p.reshape(shape)
    if axes == (0,) and len(shape) == 2 and shape[1] > _WIDE:
        return _of_columns(u, p).reshape(kept)
    return jnp.sum(jnp.square(add(p, u)), axes).reshape(kept)


def _of_columns(u: Array, p: Array) -> Array:
    rows = min(_ROWS, len(u))
    whole, rest = divmod(len(u), rows)

    def added(start: Array | int, count: int) -> Array:
        z = [_square(u, p, start + i, 1)[0] for i in range(count)]
        while len(z) > 1:  # in pairs, which loses fewer digits
            z = [*map(jnp.add, z[::2], z[1::2]), *(z[-1:] if len(z) % 2 else [])]
        return z[0]

    zero = jnp.zeros_like(_square(u, p, 0, 1)[0])

    def add_up(first: Array | int, count: int) -> Array:
        return jax.lax.fori_loop(0, count, lambda i, total: total + added((first + i) * rows, rows), zero)

    # Totals of totals: what a sum loses grows with the number of its terms.
    length = math.isqrt(whole)
    total = jax.lax.fori_loop(0, whole // length, lambda i, total: total + add_up(i * length, length), zero)
    total = total + add_up(whole - whole % length, whole % length)
    return total + added(whole * rows, rest) if rest else total


def _square(u: Array, p: Array, start: Array | int, count: int) -> Array:
    u, p = (jax.lax.dynamic_slice_in_dim(a, start, count) for a in (u, p))
    return jnp.square(add(p, u))
