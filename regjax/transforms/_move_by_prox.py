"""Following updates by a proximal operator."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

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
    hidden: dict[int, Any] = {at: None for at, u in enumerate(us) if u is None}
    hidden |= _in_blocks(regularizer, updates, params, step_size, metric)
    if not hidden:
        return move_to(lambda tree: regularizer.prox(tree, step_size, metric=metric), updates, params)

    def seen(leaves: list[Any]) -> PyTree:
        return structure.unflatten([optax.MaskedNode() if at in hidden else leaf for at, leaf in enumerate(leaves)])

    rest = move_to(lambda tree: regularizer.prox(tree, step_size, metric=metric), seen(us), seen(ps))
    return structure.unflatten([hidden.get(at, u) for at, u in enumerate(structure.flatten_up_to(rest))])


def _in_blocks(
    regularizer: Regularizer, updates: PyTree, params: PyTree, step_size: Scalar, metric: PyTree | None
) -> dict[int, Array]:
    """Returns the updates of the leaves that are computed in blocks, by their place."""
    structure, us, ps = aligned(updates, params)
    paths = structure.flatten_up_to(jax.tree.structure(params).unflatten(leaf_paths(params)))
    large: dict[int, tuple[Term, tuple[int, ...]]] = {}
    for term in regularizer.terms():
        chosen = structure.flatten_up_to(masks.resolve(term.mask, params)) if "axis" in term.keywords else []
        for at, is_chosen in enumerate(chosen):
            if is_chosen is True and moves(us[at], ps[at]):
                axes = leaf_axes(term.keywords["axis"], paths[at], ps[at])
                large |= {at: (term, axes)} if is_cut(ps[at].shape, axes) else {}

    weights = {} if metric is None else align("metric", metric, "params", {paths[at]: ps[at] for at in large})
    done: dict[int, Array] = {}
    for at, (term, axes) in large.items():
        u, p, path = us[at], ps[at], paths[at]
        others = []
        if metric is not None:
            checks.metric_shape(path, weights[path], p)
            others = [jnp.broadcast_to(weights[path], p.shape)]

        def step(u: Array, p: Array, *d: Array, term: Term = term, path: str = path) -> Array:
            return move_leaf_to(lambda z: term.prox_of_leaf(path, z, step_size, *d), u, p)

        last = next(reversed(done.values()), None)
        after = None if last is None else last[(0,) * last.ndim]
        done[at] = in_blocks(step, axes, emitted(u, u, p), p, *others, after=after)
    return done
