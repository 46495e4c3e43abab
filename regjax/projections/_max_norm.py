"""The max-norm constraint."""

import functools
from typing import Literal

from regjax._src import checks
from regjax._src.types import Axis, PyTree, Scalar
from regjax._src.units import rescale_units
from regjax.projections._norm_targets import at_most


def max_norm(tree: PyTree, bound: Scalar, *, axis: Axis | Literal["auto"] = "auto") -> PyTree:
    r"""Scales down every unit whose norm exceeds a bound.

    .. math::

      w_j \leftarrow w_j \min\left(1, \frac{c}{\|w_j\|_2}\right)

    A unit is the entries along `axis`, one for each index of the other axes; a unit within the bound comes back bit for
    bit.

    Other layouts need their axes named: `(1, 2, 3)` for `[out, in, height, width]`, 1 for the rows of an embedding
    `[vocabulary, features]`, 0 for an attention kernel `[features, heads, head_features]`, and 1 for stacked Dense
    kernels `[layers, in, out]`.

    Args:
      tree: floating arrays of any shape.
      bound: the largest norm :math:`c \ge 0`.
      axis: the axes that are summed over to make one norm. "auto" takes every axis but the last, the incoming weights
        of a unit in the kernels of Flax: Dense `[in, out]` and Conv `[height, width, in, out]`. It leaves arrays with
        fewer than two axes alone. None makes each leaf one vector.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, `axis` is not made of integers, or a leaf is complex.
      ValueError: if `bound` is a negative number, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 0.6], [4.0, 0.8]])
      >>> regjax.projections.max_norm({"kernel": kernel}, 2.5)["kernel"]
      Array([[1.5, 0.6],
             [2. , 0.8]], dtype=float32)

    References:
      Srivastava et al, `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
      <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014, section 5.1
    """
    checks.bound("bound", bound)
    return rescale_units(functools.partial(at_most, bound=bound), tree, axis)
