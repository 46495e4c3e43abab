"""The lasso penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def l1(tree: PyTree, strength: Scalar = 1.0) -> Array:
    r"""Sums the absolute values of the weights (lasso).

    .. math::

      \lambda \sum_i |w_i|

    The gradient at 0 is taken to be 0. As a term of the loss it makes weights small but never exactly zero; for zeros
    use its proximal operator, :func:`regjax.prox.l1`.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `strength` is not a number, or a leaf is complex.
      ValueError: if `strength` is a number that is negative or not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.l1({"kernel": jnp.array([3.0, -4.0])}, 0.5))
      3.5

    References:
      Tibshirani, `Regression Shrinkage and Selection via the Lasso
      <https://doi.org/10.1111/j.2517-6161.1996.tb02080.x>`_, 1996
    """
    checks.strength("strength", strength)
    return sum_floating(lambda _, w: number(strength, w.dtype) * jnp.sum(absolute(w)), tree)
