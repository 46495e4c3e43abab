"""Firm and hard thresholding."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.magnitudes import by_magnitude
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def mcp(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, gamma: Scalar, metric: PyTree | None = None
) -> PyTree:
    r"""Sets small weights to exactly 0 and keeps large ones as they are (firm thresholding).

    With :math:`\theta = \tau / d_i`: if :math:`\theta < \gamma`,

    .. math::

      x_i = \begin{cases} 0 & |z_i| \le \theta\lambda \\
      \operatorname{sign}(z_i) \dfrac{|z_i| - \theta\lambda}{1 - \theta / \gamma}
      & \theta\lambda < |z_i| \le \gamma\lambda \\ z_i & \text{otherwise} \end{cases}

    and if :math:`\theta \ge \gamma`, where the problem is not convex, :math:`x_i = z_i` if
    :math:`|z_i| > \lambda \sqrt{\theta\gamma}`, else 0. This is the global minimizer; where 0 and :math:`z_i` are
    equally good it is 0.

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the slope of the penalty at 0, :math:`\lambda \ge 0`.
      step_size: the step :math:`\tau \ge 0`. It multiplies the penalty, whose thresholds it does not move.
      gamma: how slowly the slope falls to 0, :math:`\gamma > 0`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.mcp(jnp.array([3.0, -0.5, -1.5]), 1.0, gamma=2.0)
      Array([ 3.,  0., -1.], dtype=float32)

    References:
      Zhang, `Nearly Unbiased Variable Selection under Minimax Concave Penalty <https://doi.org/10.1214/09-AOS729>`_,
      2010
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.above("gamma", gamma, 0)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        slope, g = number(strength, z.dtype), number(gamma, z.dtype)
        theta = number(step_size, z.dtype) / d
        convex = theta < g
        flattening = jnp.where(convex, g - theta, 1)

        def threshold(u: Array) -> Array:
            released = jnp.maximum(u - jnp.maximum(g * slope - u, 0) * (theta / flattening), 0)
            firm = jnp.where(u <= theta * slope, 0, released)
            # The product of roots, because theta * gamma may leave the range of float32.
            hard = jnp.where(u <= slope * (jnp.sqrt(theta) * jnp.sqrt(g)), 0, u)
            return jnp.where(convex, firm, hard)

        return by_magnitude(threshold, z)

    return map_in_metric(on_leaf, tree, metric)
