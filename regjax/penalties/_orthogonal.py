"""The soft orthogonality penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.matrices import sum_matrices
from regjax._src.numerics import number
from regjax._src.spectral import matmul
from regjax._src.types import Array, PyTree, Scalar


def orthogonal(tree: PyTree, strength: Scalar = 1.0, *, stacked_axes: int = 0) -> Array:
    r"""Sums the squares by which the columns of matrices are not orthonormal (soft orthogonality).

    .. math::

      \lambda \sum_W \| W^T W - I \|_F^2 = \lambda \sum_W \sum_i (\sigma_i(W)^2 - 1)^2

    For a matrix with more columns than rows it is :math:`W W^T`, the smaller product, since only the rows can be
    orthonormal. Lengths count as well as angles. Keras' penalty of this name is another: the mean absolute cosine
    between different rows, whatever their lengths.

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes do not count.

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
      >>> float(regjax.penalties.orthogonal({"kernel": jnp.array([[2.0, 0.0], [0.0, -1.0]])}))
      9.0

    References:
      Bansal et al, `Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?
      <https://arxiv.org/abs/1810.09102>`_, 2018
    """
    checks.strength("strength", strength)
    checks.at_least("stacked_axes", stacked_axes, 0)

    def on_matrices(w: Array) -> Array:
        excess = matmul(jnp.swapaxes(w, -1, -2), w) - jnp.broadcast_to(
            jnp.eye(w.shape[-1], dtype=w.dtype), (*w.shape[:-2], w.shape[-1], w.shape[-1])
        )
        return number(strength, w.dtype) * jnp.sum(jnp.square(excess))

    return sum_matrices(on_matrices, tree, stacked_axes)
