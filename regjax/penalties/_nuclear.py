"""The nuclear norm."""

import jax.numpy as jnp

from regjax._src import checks, spectral
from regjax._src.matrices import sum_matrices
from regjax._src.numerics import number
from regjax._src.types import Array, PyTree, Scalar


def nuclear(tree: PyTree, strength: Scalar = 1.0, *, stacked_axes: int = 0) -> Array:
    r"""Sums the singular values of matrices (nuclear norm, trace norm).

    .. math::

      \lambda \sum_i \sigma_i(W)

    It is to the rank what the lasso is to the number of nonzeros: with its proximal operator,
    :func:`regjax.prox.nuclear`, matrices become products of two thin ones.

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes do not count. The gradient is :math:`U V^T` over the
    singular values that are not zero to rounding: 0 at 0, and finite like the Hessian where values coincide or vanish.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative or not finite, or `strength` is no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> round(float(regjax.penalties.nuclear({"kernel": jnp.array([[3.0, 0.0], [0.0, -4.0]])})), 4)
      7.0

    References:
      Recht et al, `Guaranteed Minimum-Rank Solutions of Linear Matrix Equations via Nuclear Norm Minimization
      <https://arxiv.org/abs/0706.4138>`_, 2010
    """
    checks.strength("strength", strength)
    checks.at_least("stacked_axes", stacked_axes, 0)

    def on_matrices(w: Array) -> Array:
        factors = spectral.svd(w)
        none = spectral.rounding(w) * factors[1][..., :1]
        return number(strength, w.dtype) * jnp.sum(spectral.sum_above(w, factors, none))

    return sum_matrices(on_matrices, tree, stacked_axes)
