"""The number of weights that are not zero."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def l0(tree: PyTree, strength: Scalar = 1.0) -> Array:
    r"""Counts the weights that are not zero.

    .. math::

      \lambda \, \#\{i : w_i \ne 0\}

    The gradient is 0 everywhere, so as a term of the loss it does nothing: minimize it with its proximal operator,
    :func:`regjax.prox.l0`.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`, the price of one weight.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `strength` is not a number, or a leaf is complex.
      ValueError: if `strength` is a number that is negative or not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.l0({"kernel": jnp.array([3.0, 0.0, -4.0])}, 0.5))
      1.0

    References:
      Blumensath and Davies, `Iterative Thresholding for Sparse Approximations
      <https://doi.org/10.1007/s00041-008-9035-z>`_, 2008
    """
    checks.strength("strength", strength)
    return sum_floating(lambda _, w: number(strength, w.dtype) * jnp.sum((w != 0).astype(w.dtype)), tree)
