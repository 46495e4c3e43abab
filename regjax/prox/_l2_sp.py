"""Shrinking towards a starting point."""

from regjax._src import checks
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def l2_sp(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, anchor: PyTree, metric: PyTree | None = None
) -> PyTree:
    r"""Moves every weight part of the way to a starting point.

    .. math::

      x_i = z_i + \frac{\tau\lambda}{d_i + \tau\lambda} \, (a_i - z_i)

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of half the squared distances.
      step_size: the step :math:`\tau \ge 0`.
      anchor: the starting point :math:`a`, a tree with the structure and the shapes of `tree`.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative or not finite, or `anchor` or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.l2_sp(jnp.array([3.0, -4.0]), 1.0, anchor=jnp.array([1.0, -4.0]))
      Array([ 2., -4.], dtype=float32)

    References:
      Li et al, `Explicit Inductive Bias for Transfer Learning with Convolutional Networks
      <https://arxiv.org/abs/1802.01483>`_, 2018
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.same_shapes("anchor", anchor, "tree", tree)

    def on_leaf(_: str, z: Array, d: Array | int, a: Array) -> Array:
        t = number(step_size, z.dtype) * number(strength, z.dtype)
        return z + t / (d + t) * (number(a, z.dtype) - z)

    return map_in_metric(on_leaf, tree, metric, anchor)
