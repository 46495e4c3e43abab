"""The smoothly clipped absolute deviation."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def scad(tree: PyTree, strength: Scalar = 1.0, *, a: Scalar = 3.7) -> Array:
    r"""Sums a price of the weights that is the lasso's at first and stops growing (SCAD).

    .. math::

      \sum_i p(w_i), \qquad p(w) = \begin{cases} \lambda |w| & |w| \le \lambda \\
      \dfrac{2 a \lambda |w| - w^2 - \lambda^2}{2 (a - 1)} & \lambda < |w| \le a\lambda \\
      \lambda^2 (a + 1) / 2 & |w| > a\lambda \end{cases}

    Weights above :math:`a\lambda` are not pulled at all. The strength sets the thresholds as well as the price: twice
    the strength is not twice the penalty.

    Args:
      tree: floating arrays of any shape.
      strength: the slope at 0, :math:`\lambda \ge 0`.
      a: where the penalty stops growing, in units of the strength; :math:`a > 2`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range, not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.scad({"kernel": jnp.array([9.0, -1.0])}, 1.0, a=3.0))
      3.0

    References:
      Fan and Li, `Variable Selection via Nonconcave Penalized Likelihood and its Oracle Properties
      <https://doi.org/10.1198/016214501753382273>`_, 2001
    """
    checks.strength("strength", strength)
    checks.above("a", a, 2)

    def on_leaf(_: str, w: Array) -> Array:
        slope, end = number(strength, w.dtype), number(a, w.dtype)
        near = jnp.minimum(absolute(w), end * slope)
        return jnp.sum(slope * near - jnp.square(jnp.maximum(near - slope, 0)) / (2 * (end - 1)))

    return sum_floating(on_leaf, tree)
