"""Soft thresholding of singular values."""

import jax.numpy as jnp

from regjax._src import checks, spectral
from regjax._src.matrices import map_matrices
from regjax._src.numerics import number, with_derivative_of
from regjax._src.types import Array, PyTree, Scalar


def nuclear(
    tree: PyTree,
    strength: Scalar,
    step_size: Scalar = 1.0,
    *,
    stacked_axes: int = 0,
    metric: PyTree | None = None,
) -> PyTree:
    r"""Moves every singular value towards 0 by a threshold, and to 0 what is nearer, which lowers the rank.

    .. math::

      X = U \max(S - \tau\lambda, 0) V^T, \qquad Z = U S V^T

    A matrix has the last axis as its columns and all others as its rows: Dense `[in, out]`, Conv
    `[height * width * in, out]`. Arrays with fewer than two axes are left alone. A matrix whose singular values are all
    below the threshold becomes exactly 0; the rank of others falls to rounding, as they are products. It costs a
    singular value decomposition of each matrix.

    Args:
      tree: floating arrays :math:`Z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
      step_size: the step :math:`\tau \ge 0`.
      stacked_axes: the number of leading axes that index matrices, such as 1 for scanned layers `[layers, in, out]`.
      metric: must be None, because in a metric there is no closed form.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is negative or not finite, or a `metric` is given.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x = regjax.prox.nuclear(jnp.array([[3.0, 0.0], [0.0, -0.5]]), 1.0)
      >>> x.round(4) + 0.0
      Array([[2., 0.],
             [0., 0.]], dtype=float32)

    References:
      Cai et al, `A Singular Value Thresholding Algorithm for Matrix Completion <https://arxiv.org/abs/0810.3286>`_,
      2010
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)
    checks.at_least("stacked_axes", stacked_axes, 0)
    checks.no_metric("nuclear", metric)

    def on_matrices(z: Array) -> Array:
        t = number(step_size, z.dtype) * number(strength, z.dtype)
        threshold = jnp.broadcast_to(t, (*z.shape[:-2], 1))
        shrunk = spectral.spectral_map(spectral.SHRINK, z, spectral.svd(z), threshold)
        return with_derivative_of(jnp.where(t > 0, shrunk, z), shrunk)

    return map_matrices(on_matrices, tree, stacked_axes)
