"""Shrinking."""

from regjax._src import checks
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def l2(tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, metric: PyTree | None = None) -> PyTree:
    r"""Shrinks every weight by a factor.

    .. math::

      x_i = \frac{d_i}{d_i + \tau\lambda} \, z_i

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of half the squares.
      step_size: the step :math:`\tau \ge 0`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative or not finite, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.l2(jnp.array([3.0, -6.0]), 2.0)
      Array([ 1., -2.], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.1.1
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        return z * (d / (d + number(step_size, z.dtype) * number(strength, z.dtype)))

    return map_in_metric(on_leaf, tree, metric)
