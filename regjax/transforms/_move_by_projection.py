"""Following updates by a projection."""

import functools

from regjax._src.blocks import is_large
from regjax._src.moved_norm import moved_norm
from regjax._src.types import PyTree
from regjax._src.units import passed_by, rescaled, unit_axes
from regjax.constraints import Constraint
from regjax.transforms._in_turn import InTurn
from regjax.transforms._updates import move_leaf_to, moves


def move_by_projection(constraint: Constraint, updates: PyTree, params: PyTree) -> PyTree:
    """Returns the updates that take `params` to the projection of `params + updates`.

    Large leaves whose units are only rescaled go first, one after the other. The projection sees the others as one
    tree.
    """
    turns = InTurn(constraint.terms(), updates, params)
    last = None
    for term, chosen in turns.terms:
        target, axis = term.norm_target(), term.keywords.get("axis")
        for at, (yes, u, p) in enumerate(zip(chosen, turns.us, turns.ps, strict=True)):
            if target is None or yes is not True or not moves(u, p) or not is_large(p.shape) or passed_by(axis, p.ndim):
                continue
            after = p[(0,) * p.ndim] if last is None else last
            same_u, have = moved_norm(u, p, after, unit_axes(axis, turns.paths[at], p))
            last = have[(0,) * have.ndim]
            turns.done[at] = move_leaf_to(functools.partial(rescaled, target, have=have), same_u, p)
    return turns.move_rest(lambda term, keep, tree: term.projection_of_selected(keep, tree))
