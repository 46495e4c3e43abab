"""The min-max-norm constraint as a value."""

from typing import Any, Literal

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.constraints._constraint import Constraint, make


def min_max_norm(
    minimum: Scalar, maximum: Scalar, *, rate: Scalar = 1.0, axis: Axis | Literal["auto"] = "auto", mask: Any = None
) -> Constraint:
    r"""Makes the min-max-norm constraint a value.

    .. math::

      a \le \|w_j\|_2 \le b

    The function is :func:`regjax.projections.min_max_norm`.

    Args:
      minimum: the smallest norm :math:`a \ge 0`; an array of them, or traced, to be mapped over.
      maximum: the largest norm :math:`b \ge a`; an array of them, or traced, to be mapped over.
      rate: the share of the way that one projection goes, in [0, 1].
      axis: the axes that are summed over to make one norm; "auto" takes every axis but the last and leaves arrays with
        fewer than two axes alone, None makes each leaf one vector.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.min_max_norm(0.5, 2.0)
      min_max_norm(minimum=0.5, maximum=2.0, rate=1.0, axis='auto')
    """
    checks.bounds("minimum", minimum)
    checks.bounds("maximum", maximum)
    checks.ordered("minimum", minimum, "maximum", maximum)
    checks.rates("rate", rate)
    return make("min_max_norm", {"minimum": minimum, "maximum": maximum, "rate": rate}, mask, axis=axis)
