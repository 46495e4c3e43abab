"""The group-lasso penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import group_weight, leaf_axes
from regjax._src.numerics import norm, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, Axis, PyTree, Scalar


def group_lasso(tree: PyTree, strength: Scalar = 1.0, *, axis: Axis, size_scaling: bool = True) -> Array:
    r"""Sums the Euclidean norms of groups of weights (group lasso).

    .. math::

      \lambda \sum_g \sqrt{|g|} \, \|w_g\|_2

    A group is the entries along `axis`, one group for each index of the other axes. In a kernel `[in, out]` a group is
    an input feature with `axis=1` and an output unit with `axis=0`; in a convolution kernel `[height, width, in, out]`
    an input channel with `axis=(0, 1, 3)` and an output channel with `axis=(0, 1, 2)`.

    Args:
      tree: floating arrays of any shape that has the axes.
      strength: the multiplier :math:`\lambda \ge 0`.
      axis: the axes that are summed over to make one norm; None makes each leaf one group.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `strength` is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `strength` is negative or not finite, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 4.0], [0.0, 0.0]])
      >>> float(regjax.penalties.group_lasso({"kernel": kernel}, axis=1, size_scaling=False))
      5.0

    References:
      Yuan and Lin, `Model Selection and Estimation in Regression with Grouped Variables
      <https://doi.org/10.1111/j.1467-9868.2005.00532.x>`_, 2006
    """
    checks.strength("strength", strength)

    def on_leaf(path: str, w: Array) -> Array:
        axes = leaf_axes(axis, path, w)
        return number(strength, w.dtype) * group_weight(w, axes, size_scaling) * jnp.sum(norm(w, axes))

    return sum_floating(on_leaf, tree)
