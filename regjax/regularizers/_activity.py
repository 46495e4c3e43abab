"""The activity penalty as a value."""

from typing import Any

from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def activity(l1: Scalar, l2: Scalar, *, mask: Any = None) -> Regularizer:
    r"""Makes the activity penalty a regularizer, of a tree of the outputs of layers.

    .. math::

      \frac{1}{B} \sum_{b=1}^{B} \sum_i \left( \lambda_1 |x_{bi}| + \frac{\lambda_2}{2} x_{bi}^2 \right)

    The function is :func:`regjax.penalties.activity`. It has no proximal operator.

    Args:
      l1: the multiplier :math:`\lambda_1 \ge 0`; an array of them, or traced, to be mapped over.
      l2: the multiplier :math:`\lambda_2 \ge 0`; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(outputs)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.activity(1e-5, 0.0)
      activity(l1=1e-05, l2=0.0)
    """
    return make("activity", {"l1": l1, "l2": l2}, mask)
