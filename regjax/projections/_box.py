"""The box constraint."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import map_floating
from regjax._src.types import Array, PyTree, Scalar


def box(tree: PyTree, lower: Scalar, upper: Scalar) -> PyTree:
    r"""Clips every weight to an interval.

    .. math::

      x_i = \min(\max(z_i, a), b)

    Args:
      tree: floating arrays :math:`z` of any shape.
      lower: the smallest value :math:`a`; may be -inf.
      upper: the largest value :math:`b \ge a`; may be inf.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if an end is not a number, or a leaf is complex.
      ValueError: if an end is NaN, or the ends are in the wrong order.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.box(jnp.array([-3.0, 0.5, 2.0]), -1.0, 1.0)
      Array([-1. ,  0.5,  1. ], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.2.4
    """
    checks.not_nan("lower", lower)
    checks.not_nan("upper", upper)
    checks.ordered("lower", lower, "upper", upper)

    def on_leaf(_: str, z: Array) -> Array:
        return jnp.clip(z, number(lower, z.dtype), number(upper, z.dtype))

    return map_floating(on_leaf, tree)
