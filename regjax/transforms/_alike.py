"""Many leaves of one shape as one array."""

from collections.abc import Hashable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.blocks import stored
from regjax._src.types import Array
from regjax.transforms._in_turn import InTurn
from regjax.transforms._updates import emitted

# From how many leaves of one shape on they are put into one array.
_MANY = 8
# How many leaves are put into one array. Taking each out of it is a program of its own for the compiler, which is the
# same in all arrays: longer ones have more of them.
_CHUNK = 32


def many_alike(turns: InTurn[Any], kinds: Iterable[tuple[int, Hashable]]) -> list[list[int]]:
    """Returns the places of leaves to compute together, which have one kind, shape and dtype.

    A place may be there twice. On one device only, because others may hold parts of them.

    Args:
      turns: the leaves.
      kinds: places, and what has to be the same for leaves to be computed together.
    """
    found: dict[Hashable, list[int]] = {}
    for at, kind in kinds:
        u, p = turns.us[at], turns.ps[at]
        if jax.device_count() == 1 and p.size:
            found.setdefault((kind, p.shape, p.dtype, jnp.result_type(u)), []).append(at)
    return [
        # The last leaf fills up the last array: one of another length would be all new to the compiler.
        places[start : start + _CHUNK] + [places[-1]] * max(start + _CHUNK - len(places), 0) * (len(places) > _CHUNK)
        for places in found.values()
        for start in range(0, len(places), _CHUNK)
        if len(places) >= _MANY
    ]


def stacked(turns: InTurn[Any], places: list[int], *columns: list[Any]) -> list[Array]:
    """Returns the updates, the parameters and other arrays of some leaves of one shape, each as one array."""
    us = [emitted(jnp.asarray(turns.us[at]), turns.us[at], turns.ps[at]) for at in places]
    return [_stack(arrays) for arrays in (us, [turns.ps[at] for at in places], *columns)]


def unstacked(array: Array, known: Array) -> list[Array]:
    """Returns what was stacked.

    Args:
      array: the arrays as one.
      known: a floating array of as many axes that is known before it.
    """
    count, *shape = array.shape
    if count == 1:
        return [array[0]]
    array = _stored(array, known[(0,) * known.ndim])
    if not shape:
        return [array[at] for at in range(count)]
    rows = array.reshape(count * shape[0], *shape[1:])
    return list(jax.lax.split(rows, [shape[0]] * count))


@jax.custom_jvp
def _stored(array: Array, after: Array) -> Array:
    # Else whoever takes one of many arrays out of it has all that made it to compile once more.
    return jax.lax.platform_dependent(array, after, cpu=stored, default=_as_it_is)


def _as_it_is(array: Array, after: Array) -> Array:
    del after
    return array


@_stored.defjvp
def _stored_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _stored(*primals), tangents[0]


def _stack(arrays: list[Any]) -> Array:
    # A reshape for each array would be one more thing to compile for each.
    if len(arrays) == 1 or not arrays[0].ndim:
        return jnp.stack(arrays)
    return jnp.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)
