"""Leaves of parameter trees: which ones count, and how functions reach them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks, paths
from regjax._src.explicit import automatic
from regjax._src.numerics import add, compute_dtype
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, PyTree


def is_floating(leaf: Any) -> bool:
    """Tells whether a leaf is a real floating array or number: all else passes through every operator untouched."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        return isinstance(leaf, float)
    return jnp.issubdtype(dtype, jnp.floating)


def floating_paths(tree: PyTree) -> list[str]:
    """Returns the paths of the floating leaves, and of those that a wrapper of Optax hides."""
    leaves = jax.tree.leaves(tree)
    seen = [path for path, leaf in zip(paths.leaf_paths(tree), leaves, strict=True) if is_floating(leaf)]
    return seen + paths.hidden_paths(tree)


def floating_items(tree: PyTree) -> dict[str, Array]:
    """Returns the floating leaves by path, as arrays."""
    checks.no_text(tree)
    items = [
        (path, leaf)
        for path, leaf in zip(paths.leaf_paths(tree), jax.tree.leaves(tree), strict=True)
        if is_floating(leaf)
    ]
    checks.unique_paths("tree", [path for path, _ in items])
    return {path: checks.leaf_array(path, leaf) for path, leaf in items}


def is_complex(leaf: Any) -> bool:
    """Tells a complex leaf: rules for real numbers refuse it rather than pass it by in silence."""
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, complex) if dtype is None else jnp.issubdtype(dtype, jnp.complexfloating)


def map_floating(function: Callable[..., Array], tree: PyTree, *rest: PyTree) -> PyTree:
    """Maps `function(path, leaf, *rest_leaves)` over the floating leaves and keeps the others.

    The leaf reaches `function` as an array in the dtype to compute in, and the result is cast back to its dtype.
    """
    checks.no_text(tree)

    def on_array(path: str, array: Array, *others: Any) -> Array:
        wide = array.astype(compute_dtype(array))
        return automatic(functools.partial(function, path), wide, *others).astype(array.dtype)

    leaves, structure = jax.tree.flatten(tree)
    columns = [structure.flatten_up_to(other) for other in rest]
    shared = once_per_shape(on_array, leaves)

    def on_leaf(path: str, leaf: Any, *others: Any) -> Any:
        checks.real_leaves([path] if is_complex(leaf) else [])
        return shared(path, checks.leaf_array(path, leaf), *others) if is_floating(leaf) and np.size(leaf) else leaf

    return structure.unflatten(map(on_leaf, paths.leaf_paths(tree), leaves, *columns))


def sum_floating(function: Callable[..., Array], tree: PyTree, *rest: PyTree) -> Array:
    """Sums the scalars `function(path, leaf, *rest_leaves)` over the floating leaves.

    Returns a scalar in float32, or float64 where a leaf has it; 0 for a tree without floating leaves.
    """
    checks.no_text(tree)
    leaves, structure = jax.tree.flatten(tree)
    columns = [structure.flatten_up_to(other) for other in rest]
    total = jnp.zeros((), jnp.float32)

    def on_array(path: str, array: Array, *others: Any) -> Array:
        wide = array.astype(compute_dtype(array))
        return automatic(functools.partial(function, path), wide, *others, scalar=True)

    on_leaf = once_per_shape(on_array, leaves)
    for path, leaf, *others in zip(paths.leaf_paths(tree), leaves, *columns, strict=True):
        checks.real_leaves([path] if is_complex(leaf) else [])
        if is_floating(leaf):
            total = add(total, on_leaf(path, checks.leaf_array(path, leaf), *others))
    return total


def merge(changed: PyTree, tree: PyTree) -> PyTree:
    """Fills the places where `changed` is None from `tree`."""
    return jax.tree.map(lambda new, old: old if new is None else new, changed, tree, is_leaf=lambda node: node is None)


def align(name: str, other: PyTree, of: str, tree: PyTree) -> PyTree:
    """Returns the leaves of `other` in the structure of `tree`, found by their paths.

    `tree` may lack leaves of `other`: Optax hides those that a wrapper masks out.
    """
    if jax.tree.structure(other) == jax.tree.structure(tree):
        return other
    names, wanted = paths.leaf_paths(other), paths.leaf_paths(tree)
    checks.unique_paths(name, names)
    leaves = dict(zip(names, jax.tree.leaves(other), strict=True))
    checks.has_leaves(name, of, [path for path in wanted if path not in leaves])
    return jax.tree.structure(tree).unflatten([leaves[path] for path in wanted])
