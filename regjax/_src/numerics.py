"""Arithmetic that is safe at zero and in low precision."""

import functools

import jax
import jax.numpy as jnp

from regjax._src.types import Array, Scalar


def compute_dtype(*arrays: Array) -> jnp.dtype:
    """Returns the dtype to compute in: float32, or float64 where an array has it."""
    return jnp.dtype(jnp.float64 if any(a.dtype == jnp.float64 for a in arrays) else jnp.float32)


def widen(x: Array) -> Array:
    """Returns `x` in the dtype to compute in."""
    return x.astype(compute_dtype(x))


def add(x: Array, y: Array) -> Array:
    """Adds two results that may differ in the dtype they were computed in."""
    dtype = compute_dtype(x, y)
    return x.astype(dtype) + y.astype(dtype)


def number(value: Scalar, dtype: jnp.dtype) -> Array:
    """Returns a strength, rate or bound in the dtype to compute in, whatever dtype it came in."""
    return jnp.asarray(value).astype(dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def norm(x: Array, axes: tuple[int, ...]) -> Array:
    r"""Returns :math:`\|x\|_2` over `axes`, which are kept with size one.

    The gradient at 0 is 0, and derivatives of every order are finite there. The rule writes the derivative as
    :math:`\langle x / \|x\|, \dot x\rangle`: the second derivative then needs :math:`\|x\|^{-2}` only, where going
    through the square root would need :math:`\|x\|^{-3}`, which overflows float32 from norms of 1e-13 down.

    Args:
      x: array in the dtype to compute in.
      axes: non-negative axes to sum over.
    """
    return jnp.sqrt(jnp.sum(jnp.square(x), axes, keepdims=True))


@norm.defjvp
def _norm_jvp(axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    y = norm(x, axes)
    direction = jnp.where(y > 0, x / jnp.where(y > 0, y, 1), 0)
    return y, jnp.sum(direction * dx, axes, keepdims=True)
