"""Following updates by a proximal operator."""

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.blocks import in_blocks, is_cut, merged
from regjax._src.groups import leaf_axes
from regjax._src.types import Array, PyTree, Scalar
from regjax.regularizers import Regularizer
from regjax.regularizers._regularizer import SingleRegularizer
from regjax.transforms._alike import alike, many_alike, move_alike
from regjax.transforms._in_turn import InTurn
from regjax.transforms._metric import Weights
from regjax.transforms._updates import move_leaf_to


class _Alike(NamedTuple):
    """Leaves of one shape whose groups an operator measures: large leaves, or many small ones to put together."""

    term: SingleRegularizer
    axes: tuple[int, ...]
    parts: list[list[int]]


def move_by_prox(
    regularizer: Regularizer, updates: PyTree, params: PyTree, step_size: Scalar, weights: Weights | None
) -> PyTree:
    """Returns the updates that take `params` to the proximal operator of `params + updates`.

    Leaves whose groups the operator measures go first where they are large, or many are alike: in blocks, and one after
    the other. The others go each by itself.
    """
    turns = InTurn(regularizer.terms(), updates, params)
    selected = [at for _, places in turns.terms for at in places]
    leaves = [] if weights is None else [turns.beside("metric", weights.leaves, selected)]
    formula = None if weights is None else weights.formula
    after = None
    for term, axes, parts in _large(turns) + (_many(turns) if weights is not None else []):

        def on_part(
            after: Array | None, u: Array, *rest: Array, term: SingleRegularizer = term, of_leaf: tuple[int, ...] = axes
        ) -> Array:
            shape, axes = merged(u.shape, tuple(axis + 1 for axis in of_leaf))

            def step(u: Array, p: Array, *own: Array) -> Array:
                d = () if formula is None else map(formula, own)
                return move_leaf_to(lambda z: term.prox_of_groups(z, axes, step_size, *d), u, p)

            return in_blocks(step, axes, *(a.reshape(shape) for a in (u, *rest)), after=after).reshape(u.shape)

        places = {at for part in parts for at in part}
        metric = [{at: _full(turns.paths[at], column[at], turns.ps[at]) for at in places} for column in leaves]
        after = move_alike(turns, parts, on_part, *metric, after=after)
    for term, places in turns.terms:
        keywords = term.keywords
        anchor = [turns.beside("anchor", keywords["anchor"], places)] if "anchor" in keywords else []

        def operator(path: str, z: Array, *own: Any, term: SingleRegularizer = term) -> Array:
            anchor, d = (own, None) if formula is None else (own[:-1], formula(own[-1]))
            return term.prox_of_leaf(path, z, step_size, *anchor, metric=d)

        turns.move(places, operator, *anchor, *leaves)
    return turns.updates()


def _large(turns: InTurn[SingleRegularizer]) -> list[_Alike]:
    """Returns the leaves to compute in blocks."""
    found = {at: (term, axes) for term, at, axes in _measured(turns) if is_cut(turns.ps[at].shape, axes)}
    return [_Alike(*found[places[0]], [[at] for at in places]) for places in alike(turns, _kinds(found))]


def _many(turns: InTurn[SingleRegularizer]) -> list[_Alike]:
    """Returns the leaves to compute together: each array has a loop of its own, and loops take the compiler long."""
    found = {at: (term, axes) for term, at, axes in _measured(turns) if not is_cut(turns.ps[at].shape, axes)}
    return [_Alike(*found[parts[0][0]], parts) for parts in many_alike(turns, _kinds(found))]


def _kinds(found: dict[int, tuple[SingleRegularizer, tuple[int, ...]]]) -> dict[int, Hashable]:
    return {at: (id(term), axes) for at, (term, axes) in found.items()}


def _measured(turns: InTurn[SingleRegularizer]) -> Iterator[tuple[SingleRegularizer, int, tuple[int, ...]]]:
    """Finds the leaves whose groups an operator measures, and the axes of the groups."""
    for term, places in turns.terms:
        if "axis" not in term.keywords:
            continue
        for at in places:
            yield term, at, leaf_axes(term.keywords["axis"], turns.paths[at], turns.ps[at])


def _full(path: str, leaf: Any, p: Array) -> Array:
    checks.metric_shape(path, leaf, p)
    return jnp.broadcast_to(leaf, p.shape)
