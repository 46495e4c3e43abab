"""The simplex as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.constraints._constraint import Constraint, make


def simplex(bound: Scalar = 1.0, *, axis: Axis = None, mask: Any = None) -> Constraint:
    r"""Makes the simplex a value.

    .. math::

      w \ge 0, \quad \sum_i w_i = c

    The function is :func:`regjax.projections.simplex`.

    Args:
      bound: the sum :math:`c \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axes of one vector; None makes each leaf one vector.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.simplex(axis=-1)
      simplex(bound=1.0, axis=-1)
    """
    checks.bounds("bound", bound)
    return make("simplex", {"bound": bound}, mask, axis=axis)
