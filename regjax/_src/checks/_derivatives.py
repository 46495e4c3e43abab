"""Functions that are differentiated with respect to a batch of inputs."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from regjax._src.checks._arrays import floating, leading_axis, same_shape
from regjax._src.checks._kinds import instance
from regjax._src.checks._layers import key
from regjax._src.checks._lists import one_line
from regjax._src.checks._numbers import at_least
from regjax._src.types import Array, ArrayLike


def batch(name: str, value: ArrayLike) -> Array:
    """Checks a batch of inputs to differentiate by."""
    array = floating(name, value)
    leading_axis(name, array.shape)
    if array.size == 0:
        raise ValueError(f"`{name}` must have at least one entry, got shape {array.shape}")
    return array


def pair(value: Any) -> tuple[Any, Any]:
    """Checks what a function with auxiliary output returns."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"`fn(x)` must return a pair (output, auxiliary) where `has_aux` is True, got {value!r:.200}")
    return value


def rows(value: Any, num_examples: int) -> Array:
    """Checks what a function returns for a batch: one row for each example."""
    if isinstance(value, tuple):
        raise TypeError(f"`fn(x)` must return one array, or with `has_aux=True` a pair, got {value!r:.200}")
    instance("fn(x)", value, jax.Array | np.ndarray, "return one array")
    array = floating("fn(x)", value)
    if array.shape[:1] != (num_examples,) or array.size == 0:
        raise ValueError(
            f"`fn(x)` must have a row for each of the {num_examples} examples of `x`, got shape {array.shape}"
        )
    return array


def value_of_each(array: Array) -> None:
    """Checks that a row is one number."""
    if array.size != array.shape[0]:
        raise ValueError(f"`fn(x)` must have one value for each example, got shape {array.shape}")


def classes_axis(array: Array) -> None:
    """Checks that a row has an axis of classes."""
    if array.ndim < 2:
        raise ValueError(f"`fn(x)` must have the classes in its last axis, got shape {array.shape}")


def direction(value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Checks where a power iteration starts."""
    array = floating("direction", value)
    same_shape("direction", array.shape, "fn(x)", shape)
    return array


def projections(value: Any, key_value: Any, most: int) -> None:
    """Checks how many random directions are asked for, and the key to draw them from."""
    if at_least("num_projections", value, 1) > most:
        raise ValueError(
            f"`num_projections` must be <= {most}, the number of directions there are, got {one_line(value)}"
        )
    if key_value is None:
        raise TypeError("`key` must be a PRNG key where `num_projections` is given, got None")
    key(key_value)


@contextlib.contextmanager
def differentiable(mode: str, *, has_mode: bool = False) -> Iterator[None]:
    """Says more clearly what JAX says of functions that a mode can't differentiate.

    Args:
      mode: "forward" or "reverse".
      has_mode: whether the user may ask for the other mode.
    """
    try:
        yield
    except TypeError as error:
        if mode != "forward" or "custom_vjp" not in str(error):
            raise
        raise TypeError(
            "`fn` must be without functions of `jax.custom_vjp` in mode 'forward', got one (mode 'reverse' takes them)"
        ) from error
    except ValueError as error:
        if mode != "reverse" or "while_loop" not in str(error):
            raise
        where, other = "", ""
        if has_mode:
            where, other = " in mode 'reverse'", ", and mode 'forward' takes it where the penalty is only evaluated"
        raise ValueError(
            f"`fn` must be without `while_loop` and `fori_loop` of dynamic length{where}, got one"
            f" (`jax.lax.scan` can be differentiated{other})"
        ) from error
