"""The minimax concave penalty as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def mcp(strength: Scalar, *, gamma: Scalar, mask: Any = None) -> Regularizer:
    r"""Makes the minimax concave penalty a regularizer.

    .. math::

      \sum_i p(w_i), \qquad p(w) = \begin{cases} \lambda |w| - w^2 / (2\gamma) & |w| \le \gamma\lambda \\
      \gamma\lambda^2 / 2 & |w| > \gamma\lambda \end{cases}

    The functions are :func:`regjax.penalties.mcp` and :func:`regjax.prox.mcp`.

    Args:
      strength: the slope at 0, :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      gamma: how slowly the slope falls to 0, :math:`\gamma > 0`; an array of them, or traced, to be mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.mcp(1e-3, gamma=3.0)
      mcp(strength=0.001, gamma=3.0)
    """
    checks.all_above("gamma", gamma, 0)
    return make("mcp", {"strength": strength, "gamma": gamma}, mask)
