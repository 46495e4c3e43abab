"""The simplex."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.numerics import number, with_derivative_of
from regjax._src.tree import map_floating
from regjax._src.types import Array, Axis, PyTree, Scalar


def map_vectors(function: Callable[[Array], Array], tree: PyTree, axis: Axis) -> PyTree:
    """Maps a function of arrays `[..., n]` over the vectors of every leaf along `axis`."""

    def on_leaf(path: str, z: Array) -> Array:
        axes = leaf_axes(axis, path, z)
        others = tuple(a for a in range(z.ndim) if a not in axes)
        moved = jnp.transpose(z, others + axes)
        vectors = moved.reshape(*moved.shape[: len(others)], -1)
        return jnp.transpose(function(vectors).reshape(moved.shape), tuple(map(int, np.argsort(others + axes))))

    return map_floating(on_leaf, tree)


def above_threshold(z: Array, bound: Array) -> Array:
    r"""Returns :math:`\max(z - \theta, 0)` of vectors `[..., n]`, for the :math:`\theta` that makes it sum to `bound`.

    All is measured from the largest entry: what counts is then of the size of the bound, and nothing is lost where that
    is far smaller than the entries. What is more than the bound below it becomes 0 wherever it is; brought nearer, it
    can't take sums out of range.
    """
    z = jnp.maximum(z - jnp.max(z, axis=-1, keepdims=True), -2 * bound)
    descending = jnp.sort(z, axis=-1, descending=True)
    counts = jnp.broadcast_to(jnp.arange(1, z.shape[-1] + 1, dtype=z.dtype), z.shape)
    candidates = (jnp.cumsum(descending, axis=-1) - bound) / counts
    # The entries above the threshold are a leading run; the first is above it for every bound > 0.
    above = jnp.maximum(jnp.sum(descending > candidates, axis=-1, keepdims=True), 1)
    return jnp.maximum(z - jnp.take_along_axis(candidates, above - 1, axis=-1), 0)


def simplex(tree: PyTree, bound: Scalar = 1.0, *, axis: Axis = None) -> PyTree:
    r"""Projects every vector onto the simplex: no entry negative, and a given sum.

    .. math::

      x = \arg\min_{x \ge 0, \, \sum_i x_i = c} \tfrac12 \|x - z\|_2^2 = \max(z - \theta, 0)

    A vector without negative entries whose sum is :math:`c` to rounding comes back bit for bit.

    Args:
      tree: floating arrays :math:`z` of any shape.
      bound: the sum :math:`c \ge 0`.
      axis: the axes of one vector; None makes each leaf one vector.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `bound` is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `bound` is a negative number, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.simplex(jnp.array([1.0, 0.5, -2.0]))
      Array([0.75, 0.25, 0.  ], dtype=float32)

    References:
      Duchi et al, `Efficient Projections onto the l1-Ball for Learning in High Dimensions
      <https://doi.org/10.1145/1390156.1390191>`_, 2008
    """
    checks.bound("bound", bound)

    def on_vectors(z: Array) -> Array:
        c = number(bound, z.dtype)
        rounding = jnp.finfo(z.dtype).eps * z.shape[-1] * c
        inside = jnp.all(z >= 0, -1, keepdims=True) & (jnp.abs(jnp.sum(z, -1, keepdims=True) - c) <= rounding)
        projected = above_threshold(z, c)
        return with_derivative_of(jnp.where(inside, z, projected), projected)

    return map_vectors(on_vectors, tree, axis)
