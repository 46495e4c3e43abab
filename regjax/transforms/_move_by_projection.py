"""Following updates by a projection."""

import functools
from typing import Any

import numpy as np

from regjax._src.blocks import is_large
from regjax._src.moved_norm import moved_norm
from regjax._src.types import PyTree
from regjax._src.units import passed_by, rescaled, unit_axes
from regjax.constraints import Constraint
from regjax.constraints._constraint import Term
from regjax.constraints._intersection import Intersection
from regjax.transforms._in_turn import InTurn
from regjax.transforms._updates import move_leaf_to


def move_by_projection(constraint: Constraint, updates: PyTree, params: PyTree) -> PyTree:
    """Returns the updates that take `params` to the projection of `params + updates`.

    Large leaves whose units are only rescaled go first, one after the other. The others go each by itself, but for
    constraints that share leaves, which see them as one tree.
    """
    turns = InTurn(constraint.terms(), updates, params)
    last = None
    for term, places in turns.terms:
        target, axis = term.norm_target(), term.keywords.get("axis")
        for at in places:
            u, p = turns.us[at], turns.ps[at]
            if target is None or not is_large(p.shape) or passed_by(axis, p.ndim):
                continue
            after = p[(0,) * p.ndim] if last is None else last
            same_u, have = moved_norm(u, p, after, unit_axes(axis, turns.paths[at], p))
            last = have[(0,) * have.ndim]
            turns.done[at] = move_leaf_to(functools.partial(rescaled, target, have=have), same_u, p)
    if any(isinstance(term, Intersection) for term, _ in turns.terms):
        turns.move_rest(lambda term, keep, tree: term.projection_of_selected(keep, tree))
    else:
        for term, places in turns.terms:
            turns.move([at for at in places if not _passes_by(term, turns.ps[at])], term.projection_of_leaf)
    return turns.updates()


def _passes_by(term: Term, p: Any) -> bool:
    """Tells whether a projection leaves an array of this shape alone."""
    return term.norm_target() is not None and passed_by(term.keywords.get("axis"), np.ndim(p))
