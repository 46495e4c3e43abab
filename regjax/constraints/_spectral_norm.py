"""The spectral-norm constraint as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.constraints._constraint import Constraint, make


def spectral_norm(bound: Scalar = 1.0, *, stacked_axes: int = 0, mask: Any = None) -> Constraint:
    r"""Makes the spectral-norm constraint a value.

    .. math::

      \sigma_1(W) \le c

    The function is :func:`regjax.projections.spectral_norm`.

    Args:
      bound: the largest singular value :math:`c \ge 0`; an array of them, or traced, to be mapped over.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.spectral_norm(2.0, mask="**/kernel")
      spectral_norm(bound=2.0, stacked_axes=0, mask=path('**/kernel'))
    """
    checks.bounds("bound", bound)
    stacked = checks.at_least("stacked_axes", stacked_axes, 0)
    return make("spectral_norm", {"bound": bound}, mask, stacked_axes=stacked)
