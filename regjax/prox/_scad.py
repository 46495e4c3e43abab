"""Soft thresholding of small weights only."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.magnitudes import by_magnitude
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def scad(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, a: Scalar = 3.7, metric: PyTree | None = None
) -> PyTree:
    r"""Soft-thresholds small weights, to exactly 0 what is nearer, and keeps large ones as they are.

    With :math:`\theta = \tau / d_i`, :math:`u = |z_i|` and :math:`s = \max(u - \theta\lambda, 0)`: if
    :math:`\theta < a - 1`,

    .. math::

      |x_i| = \begin{cases} s & u \le (1 + \theta) \lambda \\
      u - \dfrac{\theta \, (a \lambda - u)}{a - 1 - \theta} & (1 + \theta) \lambda < u \le a \lambda \\
      u & \text{otherwise} \end{cases}

    and if :math:`\theta \ge a - 1`, where the problem is not convex, :math:`|x_i| = u` if u is above
    :math:`\lambda (a + 1 + \theta) / 2` (where :math:`\theta > a + 1`, above :math:`\lambda \sqrt{\theta (a + 1)}`),
    else s. This is the global minimizer; where s and u are equally good it is s.

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the slope of the penalty at 0, :math:`\lambda \ge 0`.
      step_size: the step :math:`\tau \ge 0`. It multiplies the penalty, whose thresholds it does not move.
      a: where the penalty stops growing, in units of the strength; :math:`a > 2`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.scad(jnp.array([4.0, -0.5, -1.5, 2.5]), 1.0, a=3.0)
      Array([ 4. ,  0. , -0.5,  2. ], dtype=float32)

    References:
      Fan and Li, `Variable Selection via Nonconcave Penalized Likelihood and its Oracle Properties
      <https://doi.org/10.1198/016214501753382273>`_, 2001
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.above("a", a, 2)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        slope, end = number(strength, z.dtype), number(a, z.dtype)
        theta = number(step_size, z.dtype) / d
        convex = theta < end - 1
        flattening = jnp.where(convex, end - 1 - theta, 1)
        break_even = jnp.where(theta <= end + 1, (end + 1 + theta) / 2, jnp.sqrt(theta) * jnp.sqrt(end + 1))

        def threshold(u: Array) -> Array:
            soft = jnp.where(u <= theta * slope, 0, u - theta * slope)
            released = u - jnp.maximum(end * slope - u, 0) * (theta / flattening)
            smooth = jnp.where(u <= (1 + theta) * slope, soft, released)
            return jnp.where(convex, smooth, jnp.where(u <= break_even * slope, soft, u))

        return by_magnitude(threshold, z)

    return map_in_metric(on_leaf, tree, metric)
