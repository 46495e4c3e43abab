"""The Euclidean ball as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.constraints._constraint import Constraint, make


def l2_ball(bound: Scalar, *, axis: Axis = None, mask: Any = None) -> Constraint:
    r"""Makes the Euclidean ball a value.

    .. math::

      \|w\|_2 \le c

    The function is :func:`regjax.projections.l2_ball`.

    Args:
      bound: the radius :math:`c \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axes of one vector; None makes each leaf one vector.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.l2_ball(1.0)
      l2_ball(bound=1.0, axis=None)
    """
    checks.bounds("bound", bound)
    return make("l2_ball", {"bound": bound}, mask, axis=axis)
