"""The sparse group lasso as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.regularizers._regularizer import Regularizer, make


def sparse_group_lasso(
    l1: Scalar, group: Scalar, *, axis: Axis, size_scaling: bool = True, mask: Any = None
) -> Regularizer:
    r"""Makes the sparse group lasso a regularizer.

    .. math::

      \lambda_1 \sum_i |w_i| + \lambda_2 \sum_g \sqrt{|g|} \, \|w_g\|_2

    The functions are :func:`regjax.penalties.sparse_group_lasso` and :func:`regjax.prox.sparse_group_lasso`.

    Args:
      l1: the multiplier :math:`\lambda_1 \ge 0`; an array of them, or traced, to be mapped over.
      group: the multiplier :math:`\lambda_2 \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axes that are summed over to make one norm; None makes each leaf one group.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.sparse_group_lasso(1e-3, 1e-3, axis=1)
      sparse_group_lasso(l1=0.001, group=0.001, axis=1, size_scaling=True)
    """
    checks.flag("size_scaling", size_scaling)
    return make(
        "sparse_group_lasso",
        {"l1": l1, "group": group},
        mask,
        axis=checks.hashable_axis(axis),
        size_scaling=size_scaling,
    )
