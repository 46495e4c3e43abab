"""Arrays and their axes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._kinds import instance
from regjax._src.checks._lists import shown
from regjax._src.types import Array, ArrayLike, Axis


def any_array(name: str, value: ArrayLike) -> Array:
    """Converts to an array of any dtype."""
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"`{name}` must be an array, got {type(value).__name__}") from error


def host_array(name: str, value: Any) -> np.ndarray:
    """Converts nested sequences of numbers."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"`{name}` must be an array, got rows of different lengths") from error


def floating(name: str, value: ArrayLike) -> Array:
    """Converts to a floating array."""
    array = any_array(name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"`{name}` must be a floating array, got dtype {array.dtype}")
    return array


def boolean(name: str, value: ArrayLike) -> Array:
    """Converts to a boolean array."""
    array = any_array(name, value)
    if array.dtype != jnp.bool_:
        raise TypeError(f"`{name}` must be a boolean array, got dtype {array.dtype}")
    return array


def axis_kind(axis: Any, *, name: str = "axis") -> None:
    """Checks what axes are said by, whatever array they are of."""
    named = axis if isinstance(axis, tuple | list) else () if axis is None else (axis,)
    if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in named):
        raise TypeError(f"`{name}` must be an integer, a tuple of integers or None, got {shown(axis)}")


def float_dtype(name: str, value: Any) -> None:
    """Checks a dtype for floating numbers; None is whichever they have."""
    try:
        # An array would be taken for its dtype, which NumPy has deprecated.
        is_array = isinstance(value, jax.Array | np.ndarray | np.generic)
        floats = value is None or (not is_array and jnp.issubdtype(np.dtype(value), jnp.floating))
    except TypeError:
        floats = False
    if not floats:
        raise TypeError(f"`{name}` must be a floating dtype or None, got {shown(value)}")


def flags_of_entries(name: str, value: ArrayLike) -> Array:
    """Converts booleans, or integers that stand for them; weights would be taken for something else than they are."""
    array = any_array(name, value)
    if array.dtype != jnp.bool_ and not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"`{name}` must be a boolean array, got dtype {array.dtype}")
    return array.astype(bool)


def shared_axes(name: str, value: Any) -> Any:
    """Returns the axes along which one draw serves all entries, as static data; None would name them all."""
    if value is None:
        raise TypeError(f"`{name}` must be integers, got None: () for none")
    # A range, as Flax takes it, is as good as a tuple.
    named = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value
    axis_kind(named, name=name)
    return named


def axes(axis: Axis, shape: tuple[int, ...], where: str, *, name: str = "axis") -> tuple[int, ...]:
    """Returns the axes that `axis` names in `shape`, sorted and non-negative; None names all."""
    axis_kind(axis, name=name)
    if axis is None:
        return tuple(range(len(shape)))
    named = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(-len(shape) <= a < len(shape) for a in named):
        raise ValueError(f"`{name}` must be in range for {where} of shape {shape}, got {axis}")
    result = sorted(int(a) % len(shape) for a in named)
    if len(set(result)) != len(result):
        raise ValueError(f"`{name}` must not name an axis twice, got {axis} for {where} of shape {shape}")
    return tuple(result)


def leading_axis(name: str, shape: tuple[int, ...]) -> None:
    """Checks that there is an axis of examples."""
    if not shape:
        raise ValueError(f"`{name}` must have a leading axis, got shape ()")


def same_shape(name: str, shape: tuple[int, ...], of: str, expected: tuple[int, ...]) -> None:
    """Checks that two arrays agree in shape."""
    if shape != expected:
        raise ValueError(f"`{name}` must have the shape {expected} of `{of}`, got {shape}")


def axis_or_auto(axis: Any) -> None:
    """Checks axes, for which one word may stand."""
    if isinstance(axis, str) and axis != "auto":
        raise ValueError(f"`axis` must be an integer, a tuple of integers, None or 'auto', got {shown(axis)}")
    if not isinstance(axis, str):
        axis_kind(axis)


def hashable_axis(axis: Any, *, auto: bool = False) -> Any:
    """Returns axes as static data that a pytree can carry; `auto` says whether the word "auto" may stand for them."""
    (axis_or_auto if auto else axis_kind)(axis)
    return tuple(axis) if isinstance(axis, list) else axis


def classes(name: str, value: Any) -> Array:
    """Checks what a classifier returns: one floating array with the classes in its last axis."""
    instance(name, value, jax.Array | np.ndarray, "return one array")
    array = floating(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"`{name}` must have the classes in its last axis, got shape {array.shape}")
    return array


def stacked_classes(name: str, value: ArrayLike) -> Array:
    """Checks the class probabilities of at least one sample."""
    array = floating(name, value)
    if array.ndim < 2 or 0 in {array.shape[0], array.shape[-1]}:
        raise ValueError(f"`{name}` must have shape [num_samples, ..., classes], got {array.shape}")
    return array
