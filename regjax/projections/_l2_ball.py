"""The Euclidean ball."""

from regjax._src import checks
from regjax._src.types import Axis, PyTree, Scalar
from regjax.projections._max_norm import max_norm


def l2_ball(tree: PyTree, bound: Scalar, *, axis: Axis = None) -> PyTree:
    r"""Scales down every vector whose Euclidean norm exceeds a bound.

    .. math::

      x = z \min\left(1, \frac{c}{\|z\|_2}\right)

    This is :func:`regjax.projections.max_norm` with each leaf as one vector unless `axis` says otherwise.

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
      >>> regjax.projections.l2_ball(jnp.array([3.0, 4.0]), 1.0)
      Array([0.6, 0.8], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.5.1
    """
    checks.axis_kind(axis)
    return max_norm(tree, bound, axis=axis)
