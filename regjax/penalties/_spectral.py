"""The spectral norm penalty."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.matrices import sum_matrices
from regjax._src.numerics import number
from regjax._src.spectral import rounding, sum_above, svd
from regjax._src.types import Array, PyTree, Scalar


def spectral(tree: PyTree, strength: Scalar = 1.0, *, bound: Scalar = 0.0, stacked_axes: int = 0) -> Array:
    r"""Sums half the squares by which the largest singular values exceed a bound (spectral norm regularization).

    .. math::

      \frac{\lambda}{2} \sum_W \max(\sigma_1(W) - c, 0)^2

    The bound 0 is the penalty of the paper, with the gradient :math:`\lambda \sigma_1 u_1 v_1^T`; another bound is a
    soft form of the constraint :func:`regjax.projections.spectral_norm`. Only the largest singular value counts, where
    other libraries also sum all those above the bound. It comes from a singular value decomposition, not from power
    iteration: exact, and costlier for large matrices. Where several are largest the gradient is the mean of theirs.

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes do not count.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.
      bound: the singular value :math:`c \ge 0` that is free.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 0.0], [0.0, -4.0]])
      >>> round(float(regjax.penalties.spectral({"kernel": kernel})), 4)
      8.0
      >>> round(float(regjax.penalties.spectral({"kernel": kernel}, bound=1.0)), 4)
      4.5

    References:
      Yoshida and Miyato, `Spectral Norm Regularization for Improving the Generalizability of Deep Learning
      <https://arxiv.org/abs/1705.10941>`_, 2017
    """
    checks.strength("strength", strength)
    checks.bound("bound", bound)
    checks.at_least("stacked_axes", stacked_axes, 0)

    def on_matrices(w: Array) -> Array:
        factors = svd(w)
        singular = jax.lax.stop_gradient(factors[1])
        others = singular[..., :1] * (1 - rounding(w))
        several = jnp.maximum(jnp.sum(jnp.asarray(singular > others, w.dtype), axis=-1), 1)
        excess = jnp.maximum(sum_above(w, factors, others) / several - number(bound, w.dtype), 0)
        return number(strength, w.dtype) / 2 * jnp.sum(jnp.square(excess))

    return sum_matrices(on_matrices, tree, stacked_axes)
