"""The ball of the largest absolute value as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.constraints._constraint import Constraint, make


def linf_ball(bound: Scalar, *, axis: Axis = None, mask: Any = None) -> Constraint:
    r"""Makes the ball of the largest absolute value a value.

    .. math::

      \|w\|_\infty \le c

    The function is :func:`regjax.projections.linf_ball`.

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
      >>> regjax.constraints.linf_ball(1.0)
      linf_ball(bound=1.0, axis=None)
    """
    checks.bounds("bound", bound)
    return make("linf_ball", {"bound": bound}, mask, axis=axis)
