"""The number of nonzeros as a value."""

from typing import Any

from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def l0(strength: Scalar, *, mask: Any = None) -> Regularizer:
    r"""Makes the number of nonzeros a regularizer.

    .. math::

      \lambda \, \#\{i : w_i \ne 0\}

    The functions are :func:`regjax.penalties.l0` and :func:`regjax.prox.l0`.

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
      >>> regjax.regularizers.l0(1e-4)
      l0(strength=0.0001)
    """
    return make("l0", {"strength": strength}, mask)
