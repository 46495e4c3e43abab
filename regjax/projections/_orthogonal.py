"""The orthogonality constraint."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.matrices import map_matrices
from regjax._src.numerics import with_derivative_of
from regjax._src.spectral import SIGN, rounding, spectral_map, svd
from regjax._src.types import Array, PyTree


def orthogonal(tree: PyTree, *, stacked_axes: int = 0) -> PyTree:
    r"""Replaces matrices by the nearest ones with orthonormal columns (orthonormal rows if they are fewer).

    .. math::

      X = U V^T, \qquad Z = U S V^T

    A matrix whose singular values are 1 to rounding comes back bit for bit. Where one is 0 there are several nearest
    matrices, of which this is one; no derivative flows through the choice.

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes are left alone. It costs a singular value
    decomposition of each matrix.

    Args:
      tree: floating arrays :math:`Z` of any shape.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `stacked_axes` is no Python integer, or a leaf is complex.
      ValueError: if `stacked_axes` is negative.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x = regjax.projections.orthogonal({"kernel": jnp.array([[3.0, -3.0], [0.5, 0.5]])})
      >>> x["kernel"].round(4)
      Array([[ 0.7071, -0.7071],
             [ 0.7071,  0.7071]], dtype=float32)

    References:
      Schonemann, `A Generalized Solution of the Orthogonal Procrustes Problem <https://doi.org/10.1007/BF02289451>`_,
      1966
    """
    checks.at_least("stacked_axes", stacked_axes, 0)

    def on_matrices(z: Array) -> Array:
        factors = svd(z)
        off = jnp.max(jnp.abs(factors[1] - 1), axis=-1)[..., None, None]
        # Every singular value is above the threshold, 0 as well.
        nearest = spectral_map(SIGN, z, factors, jnp.full((*z.shape[:-2], 1), -1, z.dtype))
        return with_derivative_of(jnp.where(off <= rounding(z), z, nearest), nearest)

    return map_matrices(on_matrices, tree, stacked_axes)
