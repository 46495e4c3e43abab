"""Leaves of parameter trees: which ones count, and how functions reach them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import paths
from regjax._src.numerics import compute_dtype
from regjax._src.types import Array, PyTree


def is_floating(leaf: Any) -> bool:
    """Tells whether a leaf is a real floating array or number: all else passes through every operator untouched."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        return isinstance(leaf, float)
    return jnp.issubdtype(dtype, jnp.floating)


def refuse_complex(path: str, leaf: Any) -> None:
    """Refuses a complex leaf, which a rule for real numbers would otherwise pass by in silence."""
    dtype = getattr(leaf, "dtype", None)
    if isinstance(leaf, complex) or (dtype is not None and jnp.issubdtype(dtype, jnp.complexfloating)):
        raise TypeError(f"`tree` must have real leaves, got a complex one at '{path}'")


def map_floating(function: Callable[..., Array], tree: PyTree, *rest: PyTree) -> PyTree:
    """Maps `function(path, leaf, *rest_leaves)` over the floating leaves and keeps the others.

    The leaf reaches `function` as an array in the dtype to compute in, and the result is cast back to its dtype.
    """

    def on_leaf(path: str, leaf: Any, *others: Any) -> Any:
        refuse_complex(path, leaf)
        if not is_floating(leaf):
            return leaf
        array = jnp.asarray(leaf)
        return function(path, array.astype(compute_dtype(array)), *others).astype(array.dtype)

    leaves, structure = jax.tree.flatten(tree)
    columns = [structure.flatten_up_to(other) for other in rest]
    return structure.unflatten(map(on_leaf, paths.leaf_paths(tree), leaves, *columns))


def sum_floating(function: Callable[..., Array], tree: PyTree, *rest: PyTree) -> Array:
    """Sums the scalars `function(path, leaf, *rest_leaves)` over the floating leaves.

    Returns a scalar in float32, or float64 where a leaf has it; 0 for a tree without floating leaves.
    """
    leaves, structure = jax.tree.flatten(tree)
    columns = [structure.flatten_up_to(other) for other in rest]
    total = jnp.zeros((), jnp.float32)
    for path, leaf, *others in zip(paths.leaf_paths(tree), leaves, *columns, strict=True):
        refuse_complex(path, leaf)
        if is_floating(leaf):
            array = jnp.asarray(leaf)
            term = function(path, array.astype(compute_dtype(array)), *others)
            dtype = compute_dtype(total, term)
            total = total.astype(dtype) + term.astype(dtype)
    return total


def size(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """Returns the number of entries along `axes`."""
    return int(np.prod([shape[a] for a in axes], dtype=np.int64))
