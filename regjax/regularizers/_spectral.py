"""The spectral norm penalty as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def spectral(strength: Scalar, *, bound: Scalar = 0.0, stacked_axes: int = 0, mask: Any = None) -> Regularizer:
    r"""Makes the spectral norm penalty a regularizer.

    .. math::

      \frac{\lambda}{2} \sum_W \max(\sigma_1(W) - c, 0)^2

    The function is :func:`regjax.penalties.spectral`. It has no proximal operator; for a hard bound there is
    :func:`regjax.constraints.spectral_norm`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      bound: the singular value :math:`c \ge 0` that is free; an array of them, or traced, to be mapped over.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is negative.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.spectral(1e-2, bound=1.0)
      spectral(strength=0.01, bound=1.0, stacked_axes=0)
    """
    checks.bounds("bound", bound)
    stacked = checks.at_least("stacked_axes", stacked_axes, 0)
    return make("spectral", {"strength": strength, "bound": bound}, mask, stacked_axes=stacked)
