"""The ridge penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def l2(tree: PyTree, strength: Scalar = 1.0) -> Array:
    r"""Sums half the squares of the weights (ridge).

    .. math::

      \frac{\lambda}{2} \sum_i w_i^2

    The gradient is :math:`\lambda w`, so under plain gradient descent the penalty equals weight decay of the same
    strength. Keras' `l2(x)` has no half: it is `l2` with a strength of `2 * x`.

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
      >>> float(regjax.penalties.l2({"kernel": jnp.array([3.0, -4.0])}, 0.1))
      1.25

    References:
      Hoerl and Kennard, `Ridge Regression: Biased Estimation for Nonorthogonal Problems
      <https://doi.org/10.1080/00401706.1970.10488634>`_, 1970
    """
    checks.strength("strength", strength)
    return sum_floating(lambda _, w: 0.5 * number(strength, w.dtype) * jnp.sum(jnp.square(w)), tree)
