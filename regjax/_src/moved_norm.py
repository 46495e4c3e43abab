"""Norms of units that are about to move."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.blocks import stored
from regjax._src.numerics import add, in_range, norm, norm_in_range
from regjax._src.types import Array

# Rows that are added up before they are added to the others, fewer where they are long.
_MOST_ROWS = 8
_ROWS_SIZE = 2**13
# Entries of the groups that are measured at a time where each lies in one piece: enough for several cores.
_GROUPS_SIZE = 2**20


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
        return u, in_range(jnp.sqrt(_sum_of_squares(u, p, axes)), axes, add, p, u)

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
    count, size = math.prod(kept), math.prod(p.shape[a] for a in axes)
    if axes == tuple(range(len(axes))) and count > 1:
        return _of_columns(u.reshape(size, count), p.reshape(size, count)).reshape(kept)
    if axes == tuple(range(p.ndim - len(axes), p.ndim)) and count > 1:
        return _of_rows(u.reshape(count, size), p.reshape(count, size)).reshape(kept)
    return jnp.sum(jnp.square(add(p, u)), axes, keepdims=True)


def _of_columns(u: Array, p: Array) -> Array:
    rows = min(max(_ROWS_SIZE // u.shape[1], _MOST_ROWS // 2), _MOST_ROWS, len(u))
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


def _of_rows(u: Array, p: Array) -> Array:
    length = min(max(_GROUPS_SIZE // u.shape[1], 1), len(u))
    whole, rest = divmod(len(u), length)

    def on_block(start: Array | int, count: int, out: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(out, jnp.sum(_square(u, p, start, count), 1), start, 0)

    out = jnp.zeros_like(_square(u, p, 0, 1), shape=len(u))
    out = jax.lax.fori_loop(0, whole, lambda i, out: on_block(i * length, length, out), out)
    return on_block(whole * length, rest, out) if rest else out


def _square(u: Array, p: Array, start: Array | int, count: int) -> Array:
    u, p = (jax.lax.dynamic_slice_in_dim(a, start, count) for a in (u, p))
    return jnp.square(add(p, u))
