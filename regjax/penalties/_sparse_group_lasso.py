"""The sparse-group-lasso penalty."""

from regjax._src import checks
from regjax._src.types import Array, Axis, PyTree, Scalar
from regjax.penalties._group_lasso import group_lasso
from regjax.penalties._l1 import l1 as l1_penalty


def sparse_group_lasso(tree: PyTree, l1: Scalar, group: Scalar, *, axis: Axis, size_scaling: bool = True) -> Array:
    r"""Adds the lasso and the group-lasso penalty.

    .. math::

      \lambda_1 \sum_i |w_i| + \lambda_2 \sum_g \sqrt{|g|} \, \|w_g\|_2

    Args:
      tree: floating arrays of any shape that has the axes.
      l1: the multiplier :math:`\lambda_1 \ge 0` of the absolute values.
      group: the multiplier :math:`\lambda_2 \ge 0` of the norms of groups.
      axis: the axes that are summed over to make one norm; None makes each leaf one group.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a strength is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if a strength is negative or not finite, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 4.0], [0.0, 0.0]])
      >>> float(regjax.penalties.sparse_group_lasso({"kernel": kernel}, 0.5, 1.0, axis=1, size_scaling=False))
      8.5

    References:
      Simon et al, `A Sparse-Group Lasso <https://doi.org/10.1080/10618600.2012.681250>`_, 2013
    """
    checks.strength("l1", l1)
    checks.strength("group", group)
    return l1_penalty(tree, l1) + group_lasso(tree, group, axis=axis, size_scaling=size_scaling)
