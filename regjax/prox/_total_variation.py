"""Denoising by total variation along one axis."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.metric import map_in_metric
from regjax._src.numerics import number, with_derivative_of
from regjax._src.types import Array, Axis, PyTree, Scalar


def _solve(z: Array, d: Array, t: Array) -> Array:
    r"""Returns the minimizer for one vector of two or more entries, by dynamic programming.

    The derivative of the least cost of the first k entries, as a function of :math:`x_k`, is nondecreasing and
    piecewise linear. Where it leaves [-t, t], a jump to :math:`x_{k+1}` is cheaper: it is clipped there, and the points
    `low` and `high` are what :math:`x_k` is clipped to once :math:`x_{k+1}` is known. The function is carried as its
    values at sorted knots; those in excess lie at the first and at the last one.
    """
    n = z.shape[0]
    slot = jnp.arange(2 * n)

    def root(knots: tuple[Array, Array], entry: tuple[Array, ...], level: Array) -> Array:
        (x, value), (z, d) = knots, entry
        after = jnp.sum(value < level, dtype=jnp.int32)
        left, right = jnp.maximum(after - 1, 0), jnp.minimum(after, 2 * n - 1)
        rise = value[right] - value[left]
        share = jnp.clip((level - value[left]) / jnp.where(rise > 0, rise, 1), 0, 1)
        between = x[left] + share * (x[right] - x[left])
        # Beyond the knots the function is -t or t, plus what the new entry adds.
        beyond = z + (level + jnp.where(after == 0, t, -t)) / d
        return jnp.where(left == right, beyond, between)

    def with_entry(knots: tuple[Array, Array], entry: tuple[Array, ...]) -> tuple[Array, Array]:
        (x, value), (z, d) = knots, entry
        return x, value + d * (x - z)

    def forward(knots: tuple[Array, Array], step: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        k, entry = step[0], step[1:]
        x, value = with_entry(knots, entry)
        low, high = root((x, value), entry, -t), root((x, value), entry, t)
        is_left, is_right = slot < n - k, slot >= n + k
        x = jnp.where(is_left, low, jnp.where(is_right, high, jnp.clip(x, low, high)))
        value = jnp.where(is_left, -t, jnp.where(is_right, t, jnp.clip(value, -t, t)))
        return (x, value), (low, high)

    def backward(x: Array, limits: tuple[Array, Array]) -> tuple[Array, Array]:
        x = jnp.clip(x, *limits)
        return x, x

    ends = z[0] - t / d[0], z[0] + t / d[0]
    knots = jnp.where(slot < n, *ends), jnp.where(slot < n, -t, t)
    knots, (low, high) = jax.lax.scan(forward, knots, (jnp.arange(1, n - 1), z[1:-1], d[1:-1]))
    last = root(with_entry(knots, (z[-1], d[-1])), (z[-1], d[-1]), jnp.zeros_like(t))
    limits = jnp.concatenate([ends[0][None], low]), jnp.concatenate([ends[1][None], high])
    _, x = jax.lax.scan(backward, last, limits, reverse=True)
    return jnp.append(x, last)


@jax.jit
def _denoise(z: Array, d: Array, t: Array) -> Array:
    """Returns the minimizer for one vector, as a formula that has its derivatives once the pattern is known."""
    n = z.shape[0]
    fixed_z, fixed_d = jax.lax.stop_gradient((z, d))
    # From this strength on the minimizer is constant; so a larger one is not needed, and might overflow.
    enough = jnp.sum(fixed_d * jnp.abs(fixed_z - jnp.sum(fixed_d * fixed_z) / jnp.sum(fixed_d)))
    t = jnp.minimum(t, enough)
    start = _solve(fixed_z, fixed_d, jax.lax.stop_gradient(t))
    step = jnp.sign(start[1:] - start[:-1])
    piece = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(step != 0, dtype=jnp.int32)])
    # What pulls each entry, up to the pieces next to its own and down to those below.
    pull = jnp.append(step, 0) - jnp.concatenate([jnp.zeros(1, z.dtype), step])
    total = jax.ops.segment_sum(jnp.stack([d * (z - start), t * pull, d], axis=-1), piece, n, indices_are_sorted=True)
    rest = (total[:, 0] + total[:, 1]) / jnp.where(total[:, 2] > 0, total[:, 2], 1)
    return start + rest[piece]


def total_variation(
    tree: PyTree, strength: Scalar, step_size: Scalar = 1.0, *, axis: Axis, metric: PyTree | None = None
) -> PyTree:
    r"""Makes neighbours along one axis exactly equal where they differ by little (fused lasso, denoising).

    .. math::

      x = \arg\min_x \tfrac12 \sum_i d_i (x_i - z_i)^2 + \tau\lambda \sum_i |x_{i+1} - x_i|

    The minimizer is piecewise constant. It is found exactly, by dynamic programming: the entries of a piece are equal
    bit for bit. The derivative is that of the pieces: the mean over each, and the strength moves a piece by its jumps.
    Time grows with the square of the number of entries along the axis: thousands are practical.

    Args:
      tree: floating arrays :math:`z` of any shape that has the axis.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
      step_size: the step :math:`\tau \ge 0`.
      axis: the axis along which entries are neighbours, one only.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, `axis` is not made of integers, or a leaf is complex.
      ValueError: if a number is negative or not finite, `axis` is out of range or not one axis, or `metric` does not
        fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.prox.total_variation(jnp.array([1.0, 1.2, 5.0, 4.8, 5.2]), 0.3, axis=0)
      Array([1.25, 1.25, 4.9 , 4.9 , 4.9 ], dtype=float32)

    References:
      Johnson, `A Dynamic Programming Algorithm for the Fused Lasso and L0-Segmentation
      <https://doi.org/10.1080/10618600.2012.681238>`_, 2013
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)

    def on_leaf(path: str, z: Array, d: Array | int) -> Array:
        along = checks.one_axis(leaf_axes(axis, path, z))
        if z.shape[along] == 1:
            return z
        t = number(step_size, z.dtype) * number(strength, z.dtype)
        vectors = jnp.moveaxis(z, along, -1)
        weights = jnp.moveaxis(jnp.broadcast_to(jnp.asarray(d, z.dtype), z.shape), along, -1)
        rows = (-1, z.shape[along])
        denoised = jax.vmap(_denoise, (0, 0, None))(vectors.reshape(rows), weights.reshape(rows), t)
        denoised = jnp.moveaxis(denoised.reshape(vectors.shape), -1, along)
        return with_derivative_of(jnp.where(t > 0, denoised, z), denoised)

    return map_in_metric(on_leaf, tree, metric)
