"""The unit-norm constraint."""

from typing import Literal

from regjax._src.types import Axis, PyTree
from regjax._src.units import rescale_units
from regjax.projections._norm_targets import one


def unit_norm(tree: PyTree, *, axis: Axis | Literal["auto"] = "auto") -> PyTree:
    r"""Scales every unit to norm 1.

    .. math::

      w_j \leftarrow \frac{w_j}{\|w_j\|_2}

    A zero unit has no direction and stays zero.

    Args:
      tree: floating arrays of any shape.
      axis: the axes that are summed over to make one norm. "auto" takes every axis but the last, the incoming weights
        of a unit in the kernels of Flax: Dense `[in, out]` and Conv `[height, width, in, out]`. It leaves arrays with
        fewer than two axes alone. None makes each leaf one vector.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `axis` is not made of integers, or a leaf is complex.
      ValueError: if `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.unit_norm(jnp.array([[3.0, 0.0], [4.0, 0.0]]))
      Array([[0.6, 0. ],
             [0.8, 0. ]], dtype=float32)

    References:
      Salimans and Kingma, `Weight Normalization <https://arxiv.org/abs/1602.07868>`_, 2016
    """
    return rescale_units(one, tree, axis)
