"""The elastic-net penalty."""

from regjax._src import checks
from regjax._src.types import Array, PyTree, Scalar
from regjax.penalties._l1 import l1 as l1_penalty
from regjax.penalties._l2 import l2 as l2_penalty


def elastic_net(tree: PyTree, l1: Scalar, l2: Scalar) -> Array:
    r"""Adds the lasso and the ridge penalty (elastic net).

    .. math::

      \lambda_1 \sum_i |w_i| + \frac{\lambda_2}{2} \sum_i w_i^2

    scikit-learn's `alpha` and `l1_ratio` are `l1 = alpha * l1_ratio` and `l2 = alpha * (1 - l1_ratio)`.

    Args:
      tree: floating arrays of any shape.
      l1: the multiplier :math:`\lambda_1 \ge 0` of the absolute values.
      l2: the multiplier :math:`\lambda_2 \ge 0` of half the squares.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a strength is not a number, or a leaf is complex.
      ValueError: if a strength is a number that is negative or not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.elastic_net({"kernel": jnp.array([3.0, -4.0])}, 0.5, 0.1))
      4.75

    References:
      Zou and Hastie, `Regularization and Variable Selection via the Elastic Net
      <https://doi.org/10.1111/j.1467-9868.2005.00503.x>`_, 2005
    """
    checks.strength("l1", l1)
    checks.strength("l2", l2)
    return l1_penalty(tree, l1) + l2_penalty(tree, l2)
