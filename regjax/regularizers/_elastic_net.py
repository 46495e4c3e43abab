"""The elastic net as a value."""

from typing import Any

from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def elastic_net(l1: Scalar, l2: Scalar, *, mask: Any = None) -> Regularizer:
    r"""Makes the elastic net a regularizer.

    .. math::

      \lambda_1 \sum_i |w_i| + \frac{\lambda_2}{2} \sum_i w_i^2

    The functions are :func:`regjax.penalties.elastic_net` and :func:`regjax.prox.elastic_net`.

    Args:
      l1: the multiplier :math:`\lambda_1 \ge 0`; an array of them, or traced, to be mapped over.
      l2: the multiplier :math:`\lambda_2 \ge 0`; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.elastic_net(1e-3, 1e-4)
      elastic_net(l1=0.001, l2=0.0001)
    """
    return make("elastic_net", {"l1": l1, "l2": l2}, mask)
