r"""Functions of singular values, with derivatives that stay finite where singular values coincide or vanish.

The derivative of a singular value decomposition has no limit there, but that of a function :math:`F(W) = U f(S) V^T`
does: it needs only the quotients of differences and of sums of :math:`f`. Both kinds of derivatives are written as
rules, the second kind so that the first can be differentiated again.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from regjax._src.types import Array

Factors: TypeAlias = tuple[Array, Array, Array]

# On accelerators products of float32 matrices have a few digits only unless told otherwise.
matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


class SpectralFunction(NamedTuple):
    """A nondecreasing function of a singular value and a threshold.

    Attributes:
      value: f(s, t).
      quotient: (f(a, t) - f(b, t)) / (a - b), or its limit.
      slope: the derivative of f(s, t) with respect to t.
    """

    value: Callable[[Array, Array], Array]
    quotient: Callable[[Array, Array, Array], Array]
    slope: Callable[[Array, Array], Array]


def _shrink_quotient(a: Array, b: Array, t: Array) -> Array:
    above = jnp.maximum(a, b) - t
    return jnp.where((a > t) & (b > t), 1, jnp.where((a > t) | (b > t), above * _inverse(jnp.abs(a - b)), 0))


def _sign_quotient(a: Array, b: Array, t: Array) -> Array:
    return jnp.where((a > t) == (b > t), 0, _inverse(jnp.abs(a - b)))


# max(s - t, 0).
SHRINK = SpectralFunction(
    lambda s, t: jnp.maximum(s - t, 0), _shrink_quotient, lambda s, t: -jnp.asarray(s > t, s.dtype)
)
# 1 where s > t, else 0; the threshold moves with the singular values and has no derivative.
SIGN = SpectralFunction(
    lambda s, t: jnp.where(jnp.isnan(s), s, jnp.asarray(s > t, s.dtype)), _sign_quotient, lambda s, _: jnp.zeros_like(s)
)


def _inverse(x: Array) -> Array:
    """Returns 1 / x, and 0 where that is not finite."""
    safe = jnp.abs(x) > 4 * jnp.finfo(x.dtype).tiny
    return jnp.where(safe, 1 / jnp.where(safe, x, 1), 0)


def _transposed(x: Array) -> Array:
    return jnp.swapaxes(x, -1, -2)


def rounding(w: Array) -> Array:
    """Returns what a singular value of matrices `[..., m, n]` may be off by, relative to the largest one."""
    return jnp.asarray(max(w.shape[-2:]) * jnp.finfo(w.dtype).eps, w.dtype)


@jax.custom_jvp
def svd(w: Array) -> Factors:
    """Returns U, S and V^T of matrices `[..., m, n]` with m >= n.

    In the derivative singular vectors of equal singular values do not turn among each other.
    """
    # Powers of two change no digit. Solvers differ in how well they scale matrices themselves.
    largest = jnp.max(jnp.abs(w), axis=(-1, -2), keepdims=True)
    finite = jnp.isfinite(largest)
    scale = jnp.where((largest >= jnp.finfo(w.dtype).tiny) & finite, largest / (2 * jnp.frexp(largest)[0]), 1)
    # LAPACK may never come back from infinities; nothing is known of the singular values then.
    u, s, vt = jnp.linalg.svd(jnp.where(finite, w / scale, 0), full_matrices=False)
    return u, jnp.where(finite[..., 0], s * scale[..., 0], jnp.nan), vt


@svd.defjvp
def _svd_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Factors, Factors]:
    (w,), (dw,) = primals, tangents
    u, s, vt = svd(w)
    forward = matmul(dw, _transposed(vt))
    core = matmul(_transposed(u), forward)
    symmetric, skew = (core + _transposed(core)) / 2, (core - _transposed(core)) / 2
    gap = s[..., None, :] - s[..., :, None]
    apart = jnp.abs(gap) > rounding(w) * s[..., :1, None]
    turn = symmetric * jnp.where(apart, _inverse(gap), 0)
    twist = skew * _inverse(s[..., None, :] + s[..., :, None])
    outside = (forward - matmul(u, core)) * _inverse(s)[..., None, :]
    du = matmul(u, turn + twist) + outside
    dvt = matmul(_transposed(turn - twist), vt)
    return (u, s, vt), (du, jnp.diagonal(core, axis1=-2, axis2=-1), dvt)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def spectral_map(function: SpectralFunction, w: Array, factors: Factors, threshold: Array) -> Array:
    r"""Returns :math:`U f(S) V^T` for matrices `[..., m, n]`, their factors and thresholds `[..., 1]`.

    The first derivative is exact also where singular values coincide; the second is where they are distinct, and finite
    everywhere.
    """
    del w
    u, s, vt = factors
    return matmul(u * function.value(s, threshold)[..., None, :], vt)


@spectral_map.defjvp
def _spectral_map_jvp(
    function: SpectralFunction, primals: tuple[Array, Factors, Array], tangents: tuple[Array, Any, Array]
) -> tuple[Array, Array]:
    (w, factors, t), (dw, _, dt) = primals, tangents
    u, s, vt = factors
    f = function.value(s, t)
    forward = matmul(dw, _transposed(vt))
    core = matmul(_transposed(u), forward)
    row, column = s[..., :, None], s[..., None, :]
    differences = function.quotient(row, column, t[..., None])
    # Where singular values are zero to rounding, so is what they stand for: no derivative flows through the choice.
    real = s > rounding(w) * s[..., :1]
    sums = (f[..., :, None] + f[..., None, :]) * jnp.where(
        real[..., :, None] | real[..., None, :], _inverse(row + column), 0
    )
    inside = (differences + sums) / 2 * core + (differences - sums) / 2 * _transposed(core)
    outside = (forward - matmul(u, core)) * (f * jnp.where(real, _inverse(s), 0))[..., None, :]
    moved = matmul(u, inside) + outside + u * (function.slope(s, t) * dt)[..., None, :]
    return spectral_map(function, w, factors, t), matmul(moved, vt)


@jax.custom_jvp
def sum_above(w: Array, factors: Factors, threshold: Array) -> Array:
    """Returns the sums of the singular values above thresholds `[..., 1]`, which count as constant."""
    del w
    return jnp.sum(jnp.where(factors[1] <= threshold, 0, factors[1]), axis=-1)  # NaN stays NaN


@sum_above.defjvp
def _sum_above_jvp(primals: tuple[Array, Factors, Array], tangents: tuple[Array, Any, Any]) -> tuple[Array, Array]:
    (w, factors, t), (dw, _, _) = primals, tangents
    return sum_above(w, factors, t), jnp.sum(spectral_map(SIGN, w, factors, t) * dw, axis=(-2, -1))
