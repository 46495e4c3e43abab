"""The Huber penalty as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def huber(strength: Scalar, *, delta: Scalar = 1.0, mask: Any = None) -> Regularizer:
    r"""Makes the Huber penalty a regularizer.

    .. math::

      \lambda \sum_i h_\delta(w_i)

    The functions are :func:`regjax.penalties.huber` and :func:`regjax.prox.huber`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      delta: where the square ends, :math:`\delta > 0`; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.huber(1e-3, delta=0.1)
      huber(strength=0.001, delta=0.1)
    """
    checks.all_above("delta", delta, 0)
    return make("huber", {"strength": strength, "delta": delta}, mask)
