"""The soft orthogonality penalty as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def orthogonal(strength: Scalar, *, stacked_axes: int = 0, mask: Any = None) -> Regularizer:
    r"""Makes the soft orthogonality penalty a regularizer.

    .. math::

      \lambda \sum_W \| W^T W - I \|_F^2

    The function is :func:`regjax.penalties.orthogonal`. It has no proximal operator; for exactly orthonormal matrices
    there is :func:`regjax.constraints.orthogonal`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.orthogonal(1e-4, mask="**/kernel")
      orthogonal(strength=0.0001, stacked_axes=0, mask=path('**/kernel'))
    """
    stacked = checks.at_least("stacked_axes", stacked_axes, 0)
    return make("orthogonal", {"strength": strength}, mask, stacked_axes=stacked)
