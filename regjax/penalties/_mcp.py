"""The minimax concave penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def mcp(tree: PyTree, strength: Scalar = 1.0, *, gamma: Scalar) -> Array:
    r"""Sums a price of the weights that starts as the lasso's and stops growing (minimax concave penalty).

    .. math::

      \sum_i p(w_i), \qquad p(w) = \begin{cases} \lambda |w| - w^2 / (2\gamma) & |w| \le \gamma\lambda \\
      \gamma\lambda^2 / 2 & |w| > \gamma\lambda \end{cases}

    Weights above :math:`\gamma\lambda` are not pulled at all, so they keep the size that the data ask for, where the
    lasso takes off the same from all. The strength sets the threshold as well as the price: twice the strength is not
    twice the penalty.

    Args:
      tree: floating arrays of any shape.
      strength: the slope at 0, :math:`\lambda \ge 0`.
      gamma: how slowly the slope falls to 0, :math:`\gamma > 0`; 3 is usual. Large values approach the lasso.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range, not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.mcp({"kernel": jnp.array([9.0, -1.0])}, 1.0, gamma=2.0))
      1.75

    References:
      Zhang, `Nearly Unbiased Variable Selection under Minimax Concave Penalty <https://doi.org/10.1214/09-AOS729>`_,
      2010
    """
    checks.strength("strength", strength)
    checks.above("gamma", gamma, 0)

    def on_leaf(_: str, w: Array) -> Array:
        slope, g = number(strength, w.dtype), number(gamma, w.dtype)
        near = jnp.minimum(absolute(w), g * slope)
        return jnp.sum(near * (slope - near / (2 * g)))

    return sum_floating(on_leaf, tree)
