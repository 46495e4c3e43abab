"""The nuclear norm as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def nuclear(strength: Scalar, *, stacked_axes: int = 0, mask: Any = None) -> Regularizer:
    r"""Makes the nuclear norm a regularizer.

    .. math::

      \lambda \sum_i \sigma_i(W)

    The functions are :func:`regjax.penalties.nuclear` and :func:`regjax.prox.nuclear`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.nuclear(1e-3, mask="**/kernel")
      nuclear(strength=0.001, stacked_axes=0, mask=path('**/kernel'))
    """
    stacked = checks.at_least("stacked_axes", stacked_axes, 0)
    return make("nuclear", {"strength": strength}, mask, stacked_axes=stacked)
