"""The max-norm constraint as a value."""

from typing import Any, Literal

from regjax._src import checks
from regjax._src.types import Axis, Scalar
from regjax.constraints._constraint import Constraint, make


def max_norm(bound: Scalar, *, axis: Axis | Literal["auto"] = "auto", mask: Any = None) -> Constraint:
    r"""Makes the max-norm constraint a value.

    .. math::

      \|w_j\|_2 \le c

    The function is :func:`regjax.projections.max_norm`.

    Args:
      bound: the largest norm :math:`c \ge 0`; an array of them, or traced, to be mapped over.
      axis: the axes that are summed over to make one norm; "auto" takes every axis but the last and leaves arrays with
        fewer than two axes alone, None makes each leaf one vector. "auto" is right for Dense and Conv kernels; for an
        attention kernel `[features, heads, head_features]` it would sum over the heads: give it 0, and use
        :func:`regjax.constraints.by_path` where a model has both.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range.

    Examples:
      >>> import regjax
      >>> regjax.constraints.max_norm(3.0, mask="**/kernel")
      max_norm(bound=3.0, axis='auto', mask=path('**/kernel'))
    """
    checks.bounds("bound", bound)
    return make("max_norm", {"bound": bound}, mask, axis=axis)
