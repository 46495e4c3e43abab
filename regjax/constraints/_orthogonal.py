"""The orthogonality constraint as a value."""

from typing import Any

from regjax._src import checks
from regjax.constraints._constraint import Constraint, make


def orthogonal(*, stacked_axes: int = 0, mask: Any = None) -> Constraint:
    r"""Makes the orthogonality constraint a value.

    .. math::

      W^T W = I \quad \text{or, for more columns than rows,} \quad W W^T = I

    The function is :func:`regjax.projections.orthogonal`.

    Args:
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if `stacked_axes` is no Python integer, or `mask` is of a wrong kind.
      ValueError: if `stacked_axes` is negative.

    Examples:
      >>> import regjax
      >>> regjax.constraints.orthogonal(mask="**/kernel")
      orthogonal(stacked_axes=0, mask=path('**/kernel'))
    """
    return make("orthogonal", {}, mask, stacked_axes=checks.at_least("stacked_axes", stacked_axes, 0))
