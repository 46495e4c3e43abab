"""Leaves as matrices."""

import math
from collections.abc import Callable

import jax.numpy as jnp

from regjax._src.tree import map_floating, sum_floating
from regjax._src.types import Array, PyTree


def is_matrix(ndim: int, stacked_axes: int) -> bool:
    """Tells whether an array holds matrices: biases and scales do not."""
    return ndim - stacked_axes >= 2


def map_matrices(function: Callable[[Array], Array], tree: PyTree, stacked_axes: int) -> PyTree:
    """Maps a function over the floating leaves as matrices, and keeps leaves that are none.

    A matrix has the last axis as its columns and all others but the stacked ones as its rows. `function` gets arrays
    `[*stacked, m, n]` with m >= n, transposed where needed, and returns the same shape.
    """

    def on_leaf(_: str, w: Array) -> Array:
        if not is_matrix(w.ndim, stacked_axes):
            return w
        matrices, is_wide = _tall(w, stacked_axes)
        result = function(matrices)
        return (jnp.swapaxes(result, -1, -2) if is_wide else result).reshape(w.shape)

    return map_floating(on_leaf, tree)


def sum_matrices(function: Callable[[Array], Array], tree: PyTree, stacked_axes: int) -> Array:
    """Sums the scalars `function(matrices)` over the floating leaves that are matrices, as `map_matrices` has them."""

    def on_leaf(_: str, w: Array) -> Array:
        if not is_matrix(w.ndim, stacked_axes) or w.size == 0:
            return jnp.zeros((), w.dtype)
        return function(_tall(w, stacked_axes)[0])

    return sum_floating(on_leaf, tree)


def _tall(w: Array, stacked_axes: int) -> tuple[Array, bool]:
    stacked, rows, columns = w.shape[:stacked_axes], math.prod(w.shape[stacked_axes:-1]), w.shape[-1]
    matrices = w.reshape(*stacked, rows, columns)
    return (jnp.swapaxes(matrices, -1, -2), True) if rows < columns else (matrices, False)
