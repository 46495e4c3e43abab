"""Following updates by a projection."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from regjax._src.blocks import is_large
from regjax._src.moved_norm import moved_norm
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, PyTree
from regjax._src.units import passed_by, rescaled, rescaled_along, unit_axes
from regjax.constraints import Constraint
from regjax.constraints._constraint import SingleConstraint
from regjax.constraints._intersection import Intersection
from regjax.transforms._alike import alike, many_alike, move_alike
from regjax.transforms._in_turn import InTurn
from regjax.transforms._updates import move_leaf_to

# Entries of the largest leaf that is put into one array with others: copying larger ones takes longer than a step by
# itself.
_SMALL = 2**11


class _Rescaled(NamedTuple):
    """A leaf whose units along some axes a term only rescales."""

    term: SingleConstraint
    target: Callable[[Array], Array]
    at: int
    axes: tuple[int, ...]


def move_by_projection(constraint: Constraint, updates: PyTree, params: PyTree) -> PyTree:
    """Returns the updates that take `params` to the projection of `params + updates`.

    Where units are only rescaled, large leaves go first, one after the other, and then small ones of which many are
    alike, as one. The others go each by itself, but for constraints that share leaves, which see them as one tree.
    """
    turns = InTurn(constraint.terms(), updates, params)
    found = {leaf.at: leaf for leaf in _rescaled_leaves(turns)}
    kinds = {at: (id(leaf.term), leaf.axes) for at, leaf in found.items()}
    after = None
    for places in alike(turns, {at: kind for at, kind in kinds.items() if is_large(turns.ps[at].shape)}):
        after = _move_in_turn(turns, found[places[0]], places, after)
    for parts in many_alike(turns, {at: kind for at, kind in kinds.items() if turns.ps[at].size <= _SMALL}):
        _, target, _, axes = found[parts[0][0]]
        rescale = functools.partial(rescaled_along, target, axes=tuple(axis + 1 for axis in axes))
        move_alike(turns, parts, lambda _, u, p, to=rescale: move_leaf_to(to, u, p), after=None)
    if any(isinstance(term, Intersection) for term, _ in turns.terms):
        turns.move_rest(lambda term, keep, tree: term.projection_of_selected(keep, tree))
    else:
        for term, places in turns.terms:
            turns.move([at for at in places if not _passes_by(term, turns.ps[at])], term.projection_of_leaf)
    return turns.updates()


def _move_in_turn(turns: InTurn[SingleConstraint], kind: _Rescaled, places: list[int], after: Array | None) -> Array:
    """Moves large leaves of one kind one after the other, and returns a number that is known after the last."""

    def on_leaf(_: str, after: Array, u: Array, p: Array) -> tuple[Array, Array]:
        same_u, have = moved_norm(u, p, after, kind.axes)
        return have[(0,) * have.ndim], move_leaf_to(functools.partial(rescaled, kind.target, have=have), same_u, p)

    shared = once_per_shape(on_leaf, [turns.ps[at] for at in places])
    last = turns.ps[places[0]][(0,) * turns.ps[places[0]].ndim] if after is None else after
    for at in places:
        last, turns.done[at] = shared("", last, turns.us[at], turns.ps[at])
    return last


def _rescaled_leaves(turns: InTurn[SingleConstraint]) -> Iterator[_Rescaled]:
    for term, places in turns.terms:
        target, axis = term.norm_target(), term.keywords.get("axis")
        for at in places:
            p = turns.ps[at]
            if target is not None and np.size(p) and not passed_by(axis, np.ndim(p)):
                yield _Rescaled(term, target, at, unit_axes(axis, turns.paths[at], p))


def _passes_by(term: SingleConstraint, p: Any) -> bool:
    """Tells whether a projection leaves an array of this shape alone."""
    return term.norm_target() is not None and passed_by(term.keywords.get("axis"), np.ndim(p))
