"""Hard thresholding."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def l0(tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, metric: PyTree | None = None) -> PyTree:
    r"""Keeps the weights that are worth their price and sets the others to 0 (hard thresholding).

    .. math::

      x_i = \begin{cases} z_i & d_i z_i^2 > 2 \tau\lambda \\ 0 & \text{otherwise} \end{cases}

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of the number of nonzeros.
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
      >>> regjax.prox.l0(jnp.array([3.0, -0.5, -2.0]), 1.0)
      Array([ 3.,  0., -2.], dtype=float32)

    References:
      Blumensath and Davies, `Iterative Thresholding for Sparse Approximations
      <https://doi.org/10.1007/s00041-008-9035-z>`_, 2008
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        # The square root, because squares of small weights vanish in float32. The comparison is false for NaN.
        threshold = jnp.sqrt(2 * number(step_size, z.dtype) * number(strength, z.dtype) / d)
        return jnp.where(jnp.abs(z) <= threshold, jnp.zeros_like(z), z)

    return map_in_metric(on_leaf, tree, metric)
