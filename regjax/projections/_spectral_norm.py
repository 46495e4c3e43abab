"""The spectral-norm constraint."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.matrices import map_matrices
from regjax._src.numerics import number, with_derivative_of
from regjax._src.spectral import SHRINK, matmul, spectral_map, svd
from regjax._src.types import Array, PyTree, Scalar


def spectral_norm(tree: PyTree, bound: Scalar = 1.0, *, stacked_axes: int = 0) -> PyTree:
    r"""Cuts the singular values of matrices down to a bound.

    .. math::

      X = U \min(S, c) V^T, \qquad Z = U S V^T

    This is the nearest matrix by which no vector grows more than :math:`c` times. A matrix within the bound comes back
    bit for bit. (Spectral normalization is another thing: it divides the whole matrix by its largest singular value.)

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes are left alone. It costs a singular value
    decomposition of each matrix.

    Args:
      tree: floating arrays :math:`Z` of any shape.
      bound: the largest singular value :math:`c \ge 0`.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative, or `bound` is no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x = regjax.projections.spectral_norm({"kernel": jnp.array([[3.0, 0.0], [0.0, -0.5]])})
      >>> x["kernel"].round(4) + 0.0
      Array([[ 1. ,  0. ],
             [ 0. , -0.5]], dtype=float32)

    References:
      Sedghi et al, `The Singular Values of Convolutional Layers <https://arxiv.org/abs/1805.10408>`_, 2019
    """
    checks.bound("bound", bound)
    checks.at_least("stacked_axes", stacked_axes, 0)

    def on_matrices(z: Array) -> Array:
        c = number(bound, z.dtype)
        u, s, vt = factors = svd(z)
        inside = (s[..., :1] <= c)[..., None]
        clipped = jnp.where(inside, z, matmul(u * jnp.minimum(s, c)[..., None, :], vt))
        # The same as a formula with derivatives where singular values coincide.
        formula = z - spectral_map(SHRINK, z, factors, jnp.broadcast_to(c, (*z.shape[:-2], 1)))
        return with_derivative_of(clipped, formula)

    return map_matrices(on_matrices, tree, stacked_axes)
