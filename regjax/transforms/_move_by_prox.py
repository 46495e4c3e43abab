"""Following updates by a proximal operator."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.blocks import in_blocks, is_cut, merged
from regjax._src.groups import leaf_axes
from regjax._src.tree import align
from regjax._src.types import Array, PyTree, Scalar
from regjax.regularizers import Regularizer
from regjax.regularizers._regularizer import Term
from regjax.transforms._in_turn import InTurn
from regjax.transforms._metric import Weights, as_tree
from regjax.transforms._updates import emitted, move_leaf_to, moves

# From how many small leaves of one shape on they are put into one array. In a metric each array has a loop of its own,
# and a hundred loops take the compiler a minute.
_MANY = 8
_CHUNK = 32


class _Alike(NamedTuple):
    """Leaves of one shape whose groups an operator measures: one large leaf, or many small ones."""

    term: Term
    axes: tuple[int, ...]
    places: list[int]


def move_by_prox(
    regularizer: Regularizer, updates: PyTree, params: PyTree, step_size: Scalar, weights: Weights | None
) -> PyTree:
    """Returns the updates that take `params` to the proximal operator of `params + updates`.

    Leaves whose groups the operator measures go first where they are large, or many are alike: in blocks, and one after
    the other. The operator sees the others as one tree.
    """
    turns = InTurn(regularizer.terms(), updates, params)
    alike = _large(turns) + (_many(turns) if weights is not None else [])
    wanted = {turns.paths[at]: turns.ps[at] for some in alike for at in some.places}
    leaves = {} if weights is None else align("metric", weights.leaves, "params", wanted)
    after = None
    for term, axes, places in alike:
        ps = [turns.ps[at] for at in places]
        columns = [[emitted(turns.us[at], turns.us[at], turns.ps[at]) for at in places], ps]
        if weights is not None:
            columns.append([_full(turns.paths[at], leaves[turns.paths[at]], turns.ps[at]) for at in places])
        arrays = [jnp.stack(column) for column in columns]
        shape, own_axes = merged(arrays[0].shape, tuple(axis + 1 for axis in axes))

        def step(u: Array, p: Array, *own: Array, term: Term = term, axes: tuple[int, ...] = own_axes) -> Array:
            d = () if weights is None else map(weights.formula, own)
            return move_leaf_to(lambda z: term.prox_of_groups(z, axes, step_size, *d), u, p)

        moved = in_blocks(step, own_axes, *(array.reshape(shape) for array in arrays), after=after)
        after = moved[(0,) * moved.ndim]
        turns.done.update(zip(places, moved.reshape(arrays[0].shape), strict=True))
    metric = None if weights is None else as_tree(weights)
    return turns.move_rest(lambda term, keep, tree: term.prox_of_selected(keep, tree, step_size, metric))


def _large(turns: InTurn[Term]) -> list[_Alike]:
    """Returns the leaves to compute in blocks."""
    return [_Alike(term, axes, [at]) for term, at, axes in _measured(turns) if is_cut(turns.ps[at].shape, axes)]


def _many(turns: InTurn[Term]) -> list[_Alike]:
    """Returns the leaves to compute together: on one device only, because others may hold parts of them."""
    found: dict[Any, _Alike] = {}
    for term, at, axes in _measured(turns):
        u, p = turns.us[at], turns.ps[at]
        if not is_cut(p.shape, axes) and jax.device_count() == 1 and p.size:
            key = id(term), axes, p.shape, p.dtype, jnp.result_type(u)
            found.setdefault(key, _Alike(term, axes, [])).places.append(at)
    return [
        _Alike(term, axes, places[start : start + _CHUNK])
        for term, axes, places in found.values()
        for start in range(0, len(places), _CHUNK)
        if len(places) >= _MANY
    ]


def _measured(turns: InTurn[Term]) -> Iterator[tuple[Term, int, tuple[int, ...]]]:
    """Finds the leaves whose groups an operator measures, and the axes of the groups."""
    for term, chosen in turns.terms:
        if "axis" not in term.keywords:
            continue
        for at, (yes, u, p) in enumerate(zip(chosen, turns.us, turns.ps, strict=True)):
            if yes is True and moves(u, p):
                yield term, at, leaf_axes(term.keywords["axis"], turns.paths[at], p)


def _full(path: str, leaf: Any, p: Array) -> Array:
    checks.metric_shape(path, leaf, p)
    return jnp.broadcast_to(leaf, p.shape)
