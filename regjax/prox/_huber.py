"""Shrinking small weights, and moving large ones by a constant."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def huber(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, delta: Scalar = 1.0, metric: PyTree | None = None
) -> PyTree:
    r"""Shrinks small weights by a factor, and moves large ones towards 0 by a constant.

    .. math::

      x_i = \begin{cases} \dfrac{d_i}{d_i + t} \, z_i & |z_i| \le \delta (1 + t / d_i) \\
      z_i - \operatorname{sign}(z_i) \, t \delta / d_i & \text{otherwise} \end{cases} \qquad t = \tau\lambda

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
      step_size: the step :math:`\tau \ge 0`.
      delta: where the square of the penalty ends, :math:`\delta > 0`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.huber(jnp.array([3.0, -0.5, -2.0]), 1.0)
      Array([ 2.  , -0.25, -1.  ], dtype=float32)

    References:
      Combettes and Pesquet, `Proximal Splitting Methods in Signal Processing <https://arxiv.org/abs/0912.3522>`_, 2011
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.above("delta", delta, 0)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        t = number(step_size, z.dtype) * number(strength, z.dtype)
        bound = number(delta, z.dtype)
        move = t / d * bound
        return jnp.where(jnp.abs(z) <= bound + move, z * (d / (d + t)), z - jnp.sign(z) * move)

    return map_in_metric(on_leaf, tree, metric)
