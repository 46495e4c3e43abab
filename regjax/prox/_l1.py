"""Soft thresholding."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.metric import map_in_metric, threshold_in_metric
from regjax._src.numerics import product
from regjax._src.types import Array, PyTree, Scalar


def soft_threshold(z: Array, threshold: Array) -> Array:
    """Moves every entry towards 0 by `threshold`, of the shape of `z` or of (), and to 0 what is nearer."""
    return _shrunk(z, threshold)


@jax.custom_jvp
def _shrunk(z: Array, threshold: Array) -> Array:
    return z - jax.lax.clamp(-threshold, z, threshold)


@_shrunk.defjvp
def _shrunk_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # JAX would lose the derivative by the threshold at 0, where both bounds meet.
    (z, threshold), (dz, dt) = primals, tangents
    moved = (jnp.abs(z) > threshold) | (threshold == 0)
    return _shrunk(z, threshold), jnp.where(moved, dz - jnp.sign(z) * dt, 0)


def l1(tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, metric: PyTree | None = None) -> PyTree:
    r"""Moves every weight towards 0 by a threshold, and to exactly 0 what is nearer (soft thresholding).

    .. math::

      x_i = \operatorname{sign}(z_i) \max(|z_i| - \tau\lambda / d_i, 0)

    Args:
      tree: floating arrays :math:`z` of any shape.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
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
      >>> regjax.prox.l1(jnp.array([3.0, -0.5, -2.0]), 1.0)
      Array([ 2.,  0., -1.], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.5.2
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)

    def on_leaf(_: str, z: Array, d: Array | int) -> Array:
        return soft_threshold(z, threshold_in_metric(product(z.dtype, step_size, strength), d))

    return map_in_metric(on_leaf, tree, metric)
