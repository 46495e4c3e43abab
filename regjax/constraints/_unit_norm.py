"""The unit-norm constraint as a value."""

from typing import Any, Literal

from regjax._src.types import Axis
from regjax.constraints._constraint import Constraint, make


def unit_norm(*, axis: Axis | Literal["auto"] = "auto", mask: Any = None) -> Constraint:
    r"""Makes the unit-norm constraint a value.

    .. math::

      \|w_j\|_2 = 1

    The function is :func:`regjax.projections.unit_norm`.

    Args:
      axis: the axes that are summed over to make one norm; "auto" takes every axis but the last and leaves arrays with
        fewer than two axes alone, None makes each leaf one vector.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if `mask` is of a wrong kind.

    Examples:
      >>> import regjax
      >>> regjax.constraints.unit_norm(axis=0)
      unit_norm(axis=0)
    """
    return make("unit_norm", {}, mask, axis=axis)
