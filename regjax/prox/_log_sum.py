"""Thresholding by a price that grows like a logarithm."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.magnitudes import by_magnitude
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def _larger_root(u: Array, c: Array, epsilon: Array) -> Array:
    """Returns the larger root of (x - u)(x + epsilon) + c = 0, or -1 where there is none."""
    # In a form without squares of u, which is exact for c = 0 and loses nothing for large u.
    whole = u + epsilon
    missing = c / whole > whole / 4
    # Without the c that have no root no derivative meets a quotient that has overflowed.
    c = jnp.where(missing, 0, c)
    inside = 1 - 4 * (c / whole) / whole
    smooth = inside > 0  # the square root has no derivative at 0
    root = jnp.where(smooth, jnp.sqrt(jnp.where(smooth, inside, 1)), 0)
    return jnp.where(missing, -1, u - 2 * (c / whole) / (1 + root))


def log_sum(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, epsilon: Scalar, metric: PyTree | None = None
) -> PyTree:
    r"""Sets small weights to exactly 0 and moves large ones little.

    With :math:`c = \tau\lambda / d_i` and :math:`u = |z_i|`, the larger root of :math:`(r - u)(r + \epsilon) + c = 0`,

    .. math::

      r = \tfrac12 \left( u - \epsilon + \sqrt{(u + \epsilon)^2 - 4 c} \right), \qquad |x_i| = \begin{cases} r &
      r > 0 \text{ and } \tfrac12 (r - u)^2 + c \log(1 + r / \epsilon) < \tfrac12 u^2 \\ 0 & \text{otherwise}
      \end{cases}

    This is the global minimizer also where the problem is not convex, :math:`c > \epsilon^2`; where 0 and r are equally
    good it is 0.

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
      step_size: the step :math:`\tau \ge 0`.
      epsilon: the size of weights from which the price grows slowly, :math:`\epsilon > 0`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.log_sum(jnp.array([3.0, -0.5, -2.0]), 1.0, epsilon=1.0)
      Array([ 2.732051,  0.      , -1.618034], dtype=float32)

    References:
      Prater-Bennette et al, `The Proximity Operator of the Log-Sum Penalty <https://arxiv.org/abs/2103.02681>`_, 2022
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.above("epsilon", epsilon, 0)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        c = number(step_size, z.dtype) * number(strength, z.dtype) / d
        e = number(epsilon, z.dtype)

        def threshold(u: Array) -> Array:
            root = _larger_root(u, c, e)
            positive = jnp.where(root > 0, root, 1)
            # The difference of the two objectives, divided by the root.
            is_better = positive / 2 - u + c * jnp.log1p(positive / e) / positive < 0
            # A slope at 0 below u settles it, and needs no difference of nearly equal numbers.
            is_worse = (root <= 0) | ~((c / e < u) | is_better)
            return jnp.where(is_worse & ~jnp.isnan(u), 0, root)

        return by_magnitude(threshold, z)

    return map_in_metric(on_leaf, tree, metric)
