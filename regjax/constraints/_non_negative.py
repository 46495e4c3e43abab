"""The non-negativity constraint as a value."""

from typing import Any

from regjax.constraints._constraint import Constraint, make


def non_negative(*, mask: Any = None) -> Constraint:
    r"""Makes the non-negativity constraint a value.

    .. math::

      w_i \ge 0

    The function is :func:`regjax.projections.non_negative`.

    Args:
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if `mask` is of a wrong kind.

    Examples:
      >>> import regjax
      >>> regjax.constraints.non_negative()
      non_negative()
    """
    return make("non_negative", {}, mask)
