"""Following updates by a proximal operator."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from regjax import masks
from regjax._src import checks
from regjax._src.blocks import in_blocks, is_cut
from regjax._src.groups import leaf_axes
from regjax._src.paths import leaf_paths
from regjax._src.tree import align
from regjax._src.types import Array, PyTree, Scalar
from regjax.regularizers import Regularizer
from regjax.regularizers._regularizer import Term
from regjax.transforms._updates import aligned, emitted, move_leaf_to, move_to, moves


def move_by_prox(
    regularizer: Regularizer, updates: PyTree, params: PyTree, step_size: Scalar, metric: PyTree | None
) -> PyTree:
    """Returns the updates that take `params` to the proximal operator of `params + updates`.

    Large leaves whose groups the operator measures go first, in blocks and one after the other. The operator sees the
    others as one tree.
    """
    structure, us, ps = aligned(updates, params)
    # The masks are those of all parameters, also where some of them are done.
    terms = [(term, structure.flatten_up_to(masks.resolve(term.mask, params))) for term in regularizer.terms()]
    paths = structure.flatten_up_to(jax.tree.structure(params).unflatten(leaf_paths(params)))
    large = {at: (term, paths[at], axes) for term, chosen in terms for at, axes in _cut(term, chosen, paths, us, ps)}
    weights = None if metric is None else align("metric", metric, "params", {paths[at]: ps[at] for at in large})
    done: dict[int, Array] = {}
    for at, (term, path, axes) in large.items():
        step = functools.partial(_step, term, path, step_size)
        others = [] if weights is None else [_full(path, weights[path], ps[at])]
        last = next(reversed(done.values()), None)
        after = None if last is None else last[(0,) * last.ndim]
        done[at] = in_blocks(step, axes, emitted(us[at], us[at], ps[at]), ps[at], *others, after=after)

    def operator(tree: PyTree) -> PyTree:
        for term, chosen in terms:
            left = [
                jax.tree.map(lambda yes, skip=at in done or us[at] is None: yes and not skip, some)
                for at, some in enumerate(chosen)
            ]
            tree = term.prox_of_selected(structure.unflatten(left), tree, step_size, metric)
        return tree

    rest = structure.flatten_up_to(move_to(operator, updates, params))
    return structure.unflatten([done.get(at, u) for at, u in enumerate(rest)])


def _cut(
    term: Term, chosen: list[Any], paths: list[Any], us: list[Any], ps: list[Any]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Finds the places of the leaves to compute in blocks, and the axes of their groups."""
    if "axis" not in term.keywords:
        return
    for at, yes in enumerate(chosen):
        if yes is True and moves(us[at], ps[at]):
            axes = leaf_axes(term.keywords["axis"], paths[at], ps[at])
            if is_cut(ps[at].shape, axes):
                yield at, axes


def _full(path: str, d: Any, p: Array) -> Array:
    checks.metric_shape(path, d, p)
    return jnp.broadcast_to(d, p.shape)


def _step(term: Term, path: str, step_size: Scalar, u: Array, p: Array, *d: Array) -> Array:
    return move_leaf_to(lambda z: term.prox_of_leaf(path, z, step_size, *d), u, p)
