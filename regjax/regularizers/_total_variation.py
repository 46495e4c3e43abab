"""The total variation as a value."""

from typing import Any

from regjax._src.checks import hashable_axis
from regjax._src.types import Axis, Scalar
from regjax.regularizers._regularizer import Regularizer, make


def total_variation(strength: Scalar, *, axis: Axis, mask: Any = None) -> Regularizer:
    r"""Makes the total variation a regularizer.

    .. math::

      \lambda \sum_i |w_{i+1} - w_i|

    The functions are :func:`regjax.penalties.total_variation` and, for one axis,
    :func:`regjax.prox.total_variation`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axis along which entries are neighbours, or several; None means all.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if `strength` is not a number, or `axis` or `mask` is of a wrong kind.
      ValueError: if `strength` is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.total_variation(1e-3, axis=0)
      total_variation(strength=0.001, axis=0)
    """
    return make("total_variation", {"strength": strength}, mask, axis=hashable_axis(axis))
