"""The ball of the largest absolute value."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.numerics import number
from regjax._src.tree import map_floating
from regjax._src.types import Array, Axis, PyTree, Scalar


def linf_ball(tree: PyTree, bound: Scalar, *, axis: Axis = None) -> PyTree:
    r"""Clips the absolute value of every weight.

    .. math::

      x_i = \operatorname{clip}(z_i, -c, c)

    Args:
      tree: floating arrays :math:`z` of any shape.
      bound: the radius :math:`c \ge 0`.
      axis: the axes of one vector, as in the other balls; the result does not depend on it.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `bound` is not a number, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `bound` is a negative number, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.linf_ball(jnp.array([-3.0, 0.5, 2.0]), 1.0)
      Array([-1. ,  0.5,  1. ], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.2.4
    """
    checks.bound("bound", bound)

    def on_leaf(path: str, z: Array) -> Array:
        leaf_axes(axis, path, z)
        return jnp.clip(z, -number(bound, z.dtype), number(bound, z.dtype))

    return map_floating(on_leaf, tree)
