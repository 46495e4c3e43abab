"""The box constraint as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.constraints._constraint import Constraint, make


def box(lower: Scalar, upper: Scalar, *, mask: Any = None) -> Constraint:
    r"""Makes the box constraint a value.

    .. math::

      a \le w_i \le b

    The function is :func:`regjax.projections.box`.

    Args:
      lower: the smallest value :math:`a`, may be -inf; an array of them, or traced, to be mapped over.
      upper: the largest value :math:`b \ge a`, may be inf; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.box(-1.0, 1.0)
      box(lower=-1.0, upper=1.0)
    """
    checks.not_nans("lower", lower)
    checks.not_nans("upper", upper)
    checks.ordered("lower", lower, "upper", upper)
    return make("box", {"lower": lower, "upper": upper}, mask)
