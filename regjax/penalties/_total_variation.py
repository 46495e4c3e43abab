"""The total variation."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, Axis, PyTree, Scalar


def total_variation(tree: PyTree, strength: Scalar = 1.0, *, axis: Axis) -> Array:
    r"""Sums the absolute differences between neighbours (total variation, fused lasso).

    .. math::

      \lambda \sum_i |w_{i+1} - w_i|

    For weights with an order, such as those of time steps, positions or pixels: neighbours become equal, and the
    weights piecewise constant. With several axes the sums along each are added (the anisotropic form).

    Args:
      tree: floating arrays of any shape that has the axes.
      strength: the multiplier :math:`\lambda \ge 0`.
      axis: the axis along which entries are neighbours, or several; None means all.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `strength` is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `strength` is negative or not finite, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.total_variation(jnp.array([1.0, 1.0, 3.0, 2.5]), axis=0))
      2.5

    References:
      Rudin et al, `Nonlinear Total Variation Based Noise Removal Algorithms
      <https://doi.org/10.1016/0167-2789(92)90242-F>`_, 1992; Tibshirani et al, `Sparsity and Smoothness via the Fused
      Lasso <https://doi.org/10.1111/j.1467-9868.2005.00490.x>`_, 2005
    """
    checks.strength("strength", strength)

    def on_leaf(path: str, w: Array) -> Array:
        total = jnp.zeros((), w.dtype)
        for along in leaf_axes(axis, path, w):
            total = total + jnp.sum(absolute(jnp.diff(w, axis=along)))
        return number(strength, w.dtype) * total

    return sum_floating(on_leaf, tree)
