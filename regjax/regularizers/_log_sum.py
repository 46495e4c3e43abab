"""The log-sum penalty as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def log_sum(strength: Scalar, *, epsilon: Scalar, mask: Any = None) -> Regularizer:
    r"""Makes the log-sum penalty a regularizer.

    .. math::

      \lambda \sum_i \log\left(1 + \frac{|w_i|}{\epsilon}\right)

    The functions are :func:`regjax.penalties.log_sum` and :func:`regjax.prox.log_sum`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      epsilon: the size of weights from which the price grows slowly, :math:`\epsilon > 0`; an array of them, or traced,
        to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.log_sum(1e-3, epsilon=0.01)
      log_sum(strength=0.001, epsilon=0.01)
    """
    checks.all_above("epsilon", epsilon, 0)
    return make("log_sum", {"strength": strength, "epsilon": epsilon}, mask)
