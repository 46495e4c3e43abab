"""Soft thresholding, then shrinking whole groups."""

from regjax._src import checks
from regjax._src.groups import group_weight, leaf_axes
from regjax._src.metric import map_in_metric, threshold_in_metric
from regjax._src.numerics import product
from regjax._src.types import Array, Axis, PyTree, Scalar
from regjax.prox._group_lasso import shrink_groups
from regjax.prox._l1 import soft_threshold


def sparse_group_lasso(
    tree: PyTree,
    l1: Scalar,
    group: Scalar,
    step_size: Scalar = 1.0,
    *,
    axis: Axis,
    size_scaling: bool = True,
    metric: PyTree | None = None,
) -> PyTree:
    r"""Soft-thresholds every weight, then shrinks the norm of every group.

    .. math::

      x = \operatorname{prox}_{\tau\lambda_2 \text{ group}}\big(\operatorname{prox}_{\tau\lambda_1 \ell_1}(z)\big)

    The composition in this order is the operator of the sum, in any diagonal metric as well.

    Args:
      tree: floating arrays :math:`z` of any shape that has the axes.
      l1: the multiplier :math:`\lambda_1 \ge 0` of the absolute values.
      group: the multiplier :math:`\lambda_2 \ge 0` of the norms of groups.
      step_size: the step :math:`\tau \ge 0`.
      axis: the axes that are summed over to make one norm; None makes each leaf one group.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, `axis` is not made of integers, or a leaf is complex.
      ValueError: if a number is negative or not finite, `axis` is out of range, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[4.0, -5.0], [0.5, 1.8]])
      >>> regjax.prox.sparse_group_lasso(kernel, 1.0, 2.5, axis=1, size_scaling=False)
      Array([[ 1.5, -2. ],
             [ 0. ,  0. ]], dtype=float32)

    References:
      Simon et al, `A Sparse-Group Lasso <https://doi.org/10.1080/10618600.2012.681250>`_, 2013
    """
    checks.strength("l1", l1)
    checks.strength("group", group)
    checks.strength("step_size", step_size)

    def on_leaf(path: str, z: Array, d: Array | int) -> Array:
        axes = leaf_axes(axis, path, z)
        of_entries = threshold_in_metric(product(z.dtype, step_size, l1), d)
        of_groups = product(z.dtype, step_size, group, group_weight(z, axes, size_scaling))
        return shrink_groups(soft_threshold(z, of_entries), d, of_groups, axes)

    return map_in_metric(on_leaf, tree, metric)
