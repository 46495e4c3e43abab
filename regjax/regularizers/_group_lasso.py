"""The group lasso as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.regularizers._regularizer import Regularizer, make


def group_lasso(strength: Scalar, *, axis: Axis, size_scaling: bool = True, mask: Any = None) -> Regularizer:
    r"""Makes the group lasso a regularizer.

    .. math::

      \lambda \sum_g \sqrt{|g|} \, \|w_g\|_2

    The functions are :func:`regjax.penalties.group_lasso` and :func:`regjax.prox.group_lasso`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axes that are summed over to make one norm; None makes each leaf one group. A group is an input feature
        of a kernel `[in, out]` with 1, and an input channel of `[height, width, in, out]` with `(0, 1, 3)`.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.group_lasso(1e-3, axis=1)
      group_lasso(strength=0.001, axis=1, size_scaling=True)
    """
    checks.flag("size_scaling", size_scaling)
    return make("group_lasso", {"strength": strength}, mask, axis=checks.hashable_axis(axis), size_scaling=size_scaling)
