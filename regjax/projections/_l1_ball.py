"""The ball of the sum of absolute values."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.types import Array, Axis, PyTree, Scalar
from regjax.projections._simplex import above_threshold, map_vectors


def l1_ball(tree: PyTree, bound: Scalar, *, axis: Axis = None) -> PyTree:
    r"""Projects every vector onto the ball of the sum of absolute values.

    .. math::

      x = \arg\min_{\|x\|_1 \le c} \tfrac12 \|x - z\|_2^2 = \operatorname{sign}(z) \max(|z| - \theta, 0)

    Entries below the threshold :math:`\theta` become exactly 0; a vector in the ball comes back bit for bit.

    Args:
      tree: floating arrays :math:`z` of any shape.
      bound: the radius :math:`c \ge 0`.
      axis: the axes of one vector; None makes each leaf one vector.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `bound` is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `bound` is a negative number, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.l1_ball(jnp.array([1.0, -0.5, 0.1]), 1.0)
      Array([ 0.75, -0.25,  0.  ], dtype=float32)

    References:
      Duchi et al, `Efficient Projections onto the l1-Ball for Learning in High Dimensions
      <https://doi.org/10.1145/1390156.1390191>`_, 2008
    """
    checks.bound("bound", bound)

    def on_vectors(z: Array) -> Array:
        c = number(bound, z.dtype)
        inside = jnp.sum(jnp.abs(z), -1, keepdims=True) <= c
        return jnp.where(inside, z, jnp.sign(z) * above_threshold(jnp.abs(z), c))

    return map_vectors(on_vectors, tree, axis)
