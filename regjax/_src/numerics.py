"""Arithmetic that is safe at zero and in low precision."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.blocks import is_large
from regjax._src.explicit import within
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
    return within(jnp.asarray(value)).astype(dtype)


def product(dtype: jnp.dtype, *values: Scalar) -> Array:
    """Returns the product of strengths and rates in the dtype to compute in.

    Of numbers that are known it is one constant. As a product the compiler would meet it in every leaf of a model.
    """
    if not all(isinstance(value, int | float | np.number) for value in values):
        return functools.reduce(jnp.multiply, (number(value, dtype) for value in values))
    with np.errstate(all="ignore"):  # what is out of range is infinite or 0, as in JAX
        factors: list[Any] = [np.asarray(value).astype(dtype) for value in values]
        return functools.reduce(np.multiply, factors)


@jax.custom_jvp
def with_derivative_of(value: Array, formula: Array) -> Array:
    """Returns `value` with the derivatives of `formula`, which it equals to rounding.

    So a point of a set can come back bit for bit, and a projection still has its own derivative there.
    """
    del formula
    return value


@with_derivative_of.defjvp
def _with_derivative_of_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return with_derivative_of(*primals), tangents[1]


@jax.custom_jvp
def absolute(x: Array) -> Array:
    """Returns |x| with the derivative 0 at 0, where that of JAX is 1."""
    return jnp.abs(x)


@absolute.defjvp
def _absolute_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return absolute(x), jnp.sign(x) * dx


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def norm(x: Array, axes: tuple[int, ...]) -> Array:
    r"""Returns :math:`\|x\|_2` over `axes`, which are kept with size one.

    The gradient at 0 is 0, and derivatives of every order are finite there. The rule writes the derivative as
    :math:`\langle x / \|x\|, \dot x\rangle`: the second derivative then needs :math:`\|x\|^{-2}` only, where going
    through the square root would need :math:`\|x\|^{-3}`, which overflows float32 from norms of 1e-13 down.

    Squares leave the range of float32 for norms below 1e-19, which count as 0, and above 1e19, which count as infinite;
    see :func:`in_range`.

    Args:
      x: array in the dtype to compute in.
      axes: non-negative axes to sum over.
    """
    return root(jnp.sum(jnp.square(x), axes, keepdims=True))


def root(x: Array) -> Array:
    """Returns the square root with the derivative 0 at 0.

    JAX drops the rule of :func:`norm` where it goes backwards through a loop, and differentiates this in its place the
    second time. There 0 times the infinite derivative of a root that nothing is made of would be NaN.
    """
    zero = x == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def in_range(plain: Array, axes: tuple[int, ...], function: Callable[..., Array], *arrays: Array) -> Array:
    """Returns the norms `plain` of `function(*arrays)`, and computes again those whose squares are out of range.

    That is for what would turn an infinite norm into wrong numbers. Reading an array twice costs time where it is
    large: on a CPU that is then only done where it is needed. Elsewhere a decision would have to wait for the device.
    """
    if is_large(arrays[0].shape):
        return _if_needed(axes, function, plain, *arrays)
    return _again(axes, function, plain, *arrays)


def nearer(dtype: jnp.dtype) -> float:
    """Returns a power of two that brings what has too large squares for a dtype to where they are in its range."""
    return 2.0 ** -(jnp.finfo(dtype).maxexp * 5 // 8)


def norm_in_range(x: Array, axes: tuple[int, ...]) -> Array:
    """Returns the norms of `x`, also those whose squares are too large for the dtype."""
    return in_range(norm(x, axes), axes, _itself, x)


# One object, by which JAX knows outside of `jit` that it has compiled the second look already.
def _itself(x: Array) -> Array:
    return x


def _again(axes: tuple[int, ...], function: Callable[..., Array], plain: Array, *arrays: Array) -> Array:
    scale = nearer(plain.dtype)
    far = jnp.sum(jnp.square(function(*arrays) * scale), axes, keepdims=True)
    overflows = plain == jnp.inf
    return jnp.where(overflows, root(jnp.where(overflows, far, 0)) / scale, plain)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _if_needed(axes: tuple[int, ...], function: Callable[..., Array], plain: Array, *arrays: Array) -> Array:
    again = functools.partial(_again, axes, function)

    def on_cpu(plain: Array, *arrays: Array) -> Array:
        return jax.lax.cond(jnp.any(jnp.isinf(plain)), again, lambda plain, *_: plain, plain, *arrays)

    return jax.lax.platform_dependent(plain, *arrays, cpu=on_cpu, default=again)


@norm.defjvp
def _norm_jvp(axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    y = norm(x, axes)
    direction = jnp.where(y > 0, x / jnp.where(y > 0, y, 1), 0)
    return y, jnp.sum(direction * dx, axes, keepdims=True)
