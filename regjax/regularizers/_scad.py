"""The smoothly clipped absolute deviation as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.regularizers._regularizer import Regularizer, make


def scad(strength: Scalar, *, a: Scalar = 3.7, mask: Any = None) -> Regularizer:
    r"""Makes the smoothly clipped absolute deviation a regularizer.

    .. math::

      \sum_i p(w_i), \qquad p(w) = \begin{cases} \lambda |w| & |w| \le \lambda \\
      \dfrac{2 a \lambda |w| - w^2 - \lambda^2}{2 (a - 1)} & \lambda < |w| \le a\lambda \\
      \lambda^2 (a + 1) / 2 & |w| > a\lambda \end{cases}

    The functions are :func:`regjax.penalties.scad` and :func:`regjax.prox.scad`.

    Args:
      strength: the slope at 0, :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      a: where the penalty stops growing, in units of the strength; :math:`a > 2`; an array of them, or traced, to be
        mapped over.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is out of its range or not finite.

    Examples:
      >>> import regjax
      >>> regjax.regularizers.scad(1e-3)
      scad(strength=0.001, a=3.7)
    """
    checks.all_above("a", a, 2)
    return make("scad", {"strength": strength, "a": a}, mask)
