"""The ridge penalty around a starting point."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def l2_sp(tree: PyTree, strength: Scalar = 1.0, *, anchor: PyTree) -> Array:
    r"""Sums half the squared distances of the weights from a starting point (L2-SP).

    .. math::

      \frac{\lambda}{2} \sum_i (w_i - a_i)^2

    For fine-tuning: the anchor is the pretrained parameters, and what was learned there is not decayed away.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.
      anchor: the starting point :math:`a`, a tree with the structure and the shapes of `tree`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `strength` is not a number, or a leaf is complex.
      ValueError: if `strength` is negative or not finite, or `anchor` differs from `tree` in structure or shape.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> pretrained = {"kernel": jnp.array([3.0, -3.0])}
      >>> float(regjax.penalties.l2_sp({"kernel": jnp.array([3.0, -4.0])}, anchor=pretrained))
      0.5

    References:
      Li et al, `Explicit Inductive Bias for Transfer Learning with Convolutional Networks
      <https://arxiv.org/abs/1802.01483>`_, 2018
    """
    checks.strength("strength", strength)
    checks.same_shapes("anchor", anchor, "tree", tree)

    def on_leaf(_: str, w: Array, a: Array) -> Array:
        return 0.5 * number(strength, w.dtype) * jnp.sum(jnp.square(w - number(a, w.dtype)))

    return sum_floating(on_leaf, tree, anchor)
