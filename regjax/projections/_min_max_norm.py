"""The min-max-norm constraint."""

import functools
from typing import Literal

from regjax._src import checks
from regjax._src.types import Axis, PyTree, Scalar
from regjax._src.units import rescale_units
from regjax.projections._norm_targets import between


def min_max_norm(
    tree: PyTree, minimum: Scalar, maximum: Scalar, *, rate: Scalar = 1.0, axis: Axis | Literal["auto"] = "auto"
) -> PyTree:
    r"""Moves the norm of every unit into an interval, or part of the way.

    .. math::

      w_j \leftarrow w_j \, \frac{\rho \operatorname{clip}(\|w_j\|, a, b) + (1 - \rho) \|w_j\|}{\|w_j\|}

    It is a projection when the rate :math:`\rho` is 1. A zero unit has no direction and stays zero.

    Args:
      tree: floating arrays of any shape.
      minimum: the smallest norm :math:`a \ge 0`.
      maximum: the largest norm :math:`b \ge a`.
      rate: the share :math:`\rho` of the way, in [0, 1].
      axis: the axes that are summed over to make one norm. "auto" takes every axis but the last, the incoming weights
        of a unit in the kernels of Flax: Dense `[in, out]` and Conv `[height, width, in, out]`. It leaves arrays with
        fewer than two axes alone. None makes each leaf one vector.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, `axis` is not made of integers, or a leaf is complex.
      ValueError: if a number is out of its range, or `axis` is out of range for a leaf.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 0.3], [4.0, 0.4]])
      >>> regjax.projections.min_max_norm(kernel, 1.0, 2.5)
      Array([[1.5, 0.6],
             [2. , 0.8]], dtype=float32)

    References:
      Chollet et al, `Keras, tf.keras.constraints.MinMaxNorm
      <https://keras.io/api/layers/constraints/>`_
    """
    checks.bound("minimum", minimum)
    checks.bound("maximum", maximum)
    checks.ordered("minimum", minimum, "maximum", maximum)
    checks.rate("rate", rate)
    target = functools.partial(between, minimum=minimum, maximum=maximum, rate=rate)
    return rescale_units(target, tree, axis)
