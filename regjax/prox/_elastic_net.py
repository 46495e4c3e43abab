"""Soft thresholding, then shrinking."""

from regjax._src import checks
from regjax._src.metric import map_in_metric, threshold_in_metric
from regjax._src.numerics import number, product
from regjax._src.types import Array, PyTree, Scalar
from regjax.prox._l1 import soft_threshold


def elastic_net(
    tree: PyTree, l1: Scalar, l2: Scalar, step_size: Scalar = 1.0, *, metric: PyTree | None = None
) -> PyTree:
    r"""Soft-thresholds, then shrinks every weight.

    .. math::

      x_i = \frac{\operatorname{sign}(z_i) \max(d_i |z_i| - \tau\lambda_1, 0)}{d_i + \tau\lambda_2}

    Args:
      tree: floating arrays :math:`z` of any shape.
      l1: the multiplier :math:`\lambda_1 \ge 0` of the absolute values.
      l2: the multiplier :math:`\lambda_2 \ge 0` of half the squares.
      step_size: the step :math:`\tau \ge 0`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.elastic_net(jnp.array([3.0, -0.5, -2.0]), 1.0, 1.0)
      Array([ 1. ,  0. , -0.5], dtype=float32)

    References:
      Zou and Hastie, `Regularization and Variable Selection via the Elastic Net
      <https://doi.org/10.1111/j.1467-9868.2005.00503.x>`_, 2005
    """
    checks.strength("l1", l1)
    checks.strength("l2", l2)
    checks.strength("step_size", step_size)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        threshold = threshold_in_metric(product(z.dtype, step_size, l1), d)
        # d / (d + ...) comes last and is exactly 1 without l2: the operator is then that of l1, bit for bit.
        return soft_threshold(z, threshold) * (d / (d + number(step_size, z.dtype) * number(l2, z.dtype)))

    return map_in_metric(on_leaf, tree, metric)
