"""Many leaves of one shape as one array."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.blocks import stored
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array
from regjax.transforms._in_turn import InTurn
from regjax.transforms._updates import emitted

# From how many leaves of one shape on they are put into one array.
_MANY = 8
# How many leaves are put into one array. Taking each out of it is a program of its own for the compiler, which is the
# same in all arrays: longer ones have more of them.
_CHUNK = 40


def alike(turns: InTurn[Any], kinds: dict[int, Hashable]) -> list[list[int]]:
    """Returns the places of leaves of one kind, shape and dtype, for each of them.

    Args:
      turns: the leaves.
      kinds: what else has to be the same for leaves to be computed alike, by their places.
    """
    found: dict[Hashable, list[int]] = {}
    for at, kind in kinds.items():
        u, p = turns.us[at], turns.ps[at]
        found.setdefault((kind, p.shape, p.dtype, jnp.result_type(u)), []).append(at)
    return list(found.values())


def many_alike(turns: InTurn[Any], kinds: dict[int, Hashable]) -> list[list[list[int]]]:
    """Returns the places of many leaves that are alike in parts of one length, each to be computed as one array.

    A place may be there twice. On one device only, because others may hold parts of them.
    """
    return [
        # The last leaf fills up the last array: one of another length would be all new to the compiler.
        [
            places[start : start + _CHUNK]
            + [places[-1]] * max(start + _CHUNK - len(places), 0) * (len(places) > _CHUNK)
            for start in range(0, len(places), _CHUNK)
        ]
        for places in alike(turns, kinds)
        if len(places) >= _MANY and turns.ps[places[0]].size and jax.device_count() == 1
    ]


def move_alike(
    turns: InTurn[Any],
    parts: list[list[int]],
    operator: Callable[..., Array],
    *columns: dict[int, Any],
    after: Array | None,
) -> Array | None:
    """Moves leaves of one kind, those of a part as one array with a leading axis.

    Args:
      turns: the leaves.
      parts: the places of the leaves of each part; all have one shape, and all parts one length.
      operator: from the updates, the parameters and their companions to new updates, `operator(after, u, p, *others)`.
      *columns: companions of the leaves, by their places.
      after: a number that the first part may wait for, if any.

    Returns:
      A number that is known after the last part.
    """
    count = len(parts[0])

    def on_part(_: str, after: Array | None, *leaves: Any) -> tuple[Array, list[Array]]:
        us, ps, *others = (_stack(leaves[start : start + count]) for start in range(0, len(leaves), count))
        moved = operator(after, emitted(us, us, ps), ps, *others)
        return moved[(0,) * moved.ndim], _unstacked(moved, ps)

    leaves = dict(enumerate(turns.us)), dict(enumerate(turns.ps)), *columns
    shared = once_per_shape(on_part, [turns.ps[at] for part in parts for at in part])
    for part in parts:
        after, moved = shared("", after, *(column[at] for column in leaves for at in part))
        turns.done.update(zip(part, moved, strict=True))
    return after


def _unstacked(array: Array, known: Array) -> list[Array]:
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


def _stack(arrays: Sequence[Any]) -> Array:
    # A reshape for each array would be one more thing to compile for each.
    if len(arrays) == 1 or not arrays[0].ndim:
        return jnp.stack(arrays)
    return jnp.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)
