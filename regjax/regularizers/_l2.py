"""The ridge penalty as a value."""

from typing import Any

from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def l2(strength: Scalar, *, mask: Any = None) -> Regularizer:
    r"""Makes the ridge penalty a regularizer.

    .. math::

      \frac{\lambda}{2} \sum_i w_i^2

    The functions are :func:`regjax.penalties.l2` and :func:`regjax.prox.l2`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.l2(1e-4)
      l2(strength=0.0001)
    """
    return make("l2", {"strength": strength}, mask)
