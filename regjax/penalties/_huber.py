"""The Huber penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def huber(tree: PyTree, strength: Scalar = 1.0, *, delta: Scalar = 1.0) -> Array:
    r"""Sums squares of small weights and absolute values of large ones (Huber).

    .. math::

      \lambda \sum_i h_\delta(w_i), \qquad h_\delta(w) = \begin{cases} w^2 / 2 & |w| \le \delta \\
      \delta (|w| - \delta / 2) & |w| > \delta \end{cases}

    The pull on a weight grows like that of the ridge up to :math:`\lambda\delta` and no further, so that large weights
    are not held back more than middling ones. No weight becomes exactly zero.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.
      delta: where the square ends, :math:`\delta > 0`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range, not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.huber({"kernel": jnp.array([3.0, -0.5])}, 2.0))
      5.25

    References:
      Huber, `Robust Estimation of a Location Parameter <https://doi.org/10.1214/aoms/1177703732>`_, 1964
    """
    checks.strength("strength", strength)
    checks.above("delta", delta, 0)

    def on_leaf(_: str, w: Array) -> Array:
        bound = number(delta, w.dtype)
        near = jnp.clip(w, -bound, bound)
        return number(strength, w.dtype) * jnp.sum(near * (w - near / 2))

    return sum_floating(on_leaf, tree)
