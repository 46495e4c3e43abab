"""The lasso as a value."""

from typing import Any

from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def l1(strength: Scalar, *, mask: Any = None) -> Regularizer:
    r"""Makes the lasso a regularizer.

    .. math::

      \lambda \sum_i |w_i|

    The functions are :func:`regjax.penalties.l1` and :func:`regjax.prox.l1`.

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
      >>> regjax.regularizers.l1(1e-3, mask="**/kernel")
      l1(strength=0.001, mask=path('**/kernel'))
    """
    return make("l1", {"strength": strength}, mask)
