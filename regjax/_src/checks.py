"""The one place from which errors about arguments are raised.

A check looks only at what is static: kinds, dtypes, shapes, and numbers that live on the host (Python and NumPy
ones). A traced value, or one that lives on a device, is never inspected: reading it would block or fail under `jit`.

Every message is one sentence, "`name` must be <requirement>, got <what>".
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.types import Array, ArrayLike, Axis


def _host_numbers(name: str, value: Any) -> np.ndarray | None:
    """Returns the numbers of `value` where they can be looked at, and refuses what is no number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"`{name}` must be a number or a scalar array, got {value!r}")
    if isinstance(value, jax.Array):
        if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
            raise TypeError(f"`{name}` must be a real number, got an array of dtype {value.dtype}")
        return None
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iuf":
        # Low-precision floats (bfloat16, float8) are kind "V" to NumPy and become float64 here.
        if not jnp.issubdtype(numbers.dtype, jnp.floating):
            raise TypeError(f"`{name}` must be a real number, got {value!r}")
        numbers = numbers.astype(np.float64)
    return numbers


def numbers(name: str, value: Any, accept: Callable[[np.ndarray], Any], requirement: str) -> None:
    """Checks numbers of any shape that live on the host; `accept` must be false for NaN."""
    host = _host_numbers(name, value)
    if host is not None and not np.all(accept(host)):
        raise ValueError(f"`{name}` must be {requirement}, got {value}")


def strengths(name: str, value: Any) -> None:
    """Checks a strength, or an array of them that is to be mapped over."""
    numbers(name, value, lambda x: (x >= 0) & np.isfinite(x), "finite and >= 0")


def bounds(name: str, value: Any) -> None:
    """Checks the size of a constraint set, or an array of them; infinity means no constraint."""
    numbers(name, value, lambda x: x >= 0, ">= 0")


def scalar(name: str, value: Any) -> None:
    """Checks that `value` has shape ()."""
    if np.shape(value) != ():
        raise ValueError(f"`{name}` must be a scalar, got shape {np.shape(value)}")


def strength(name: str, value: Any) -> None:
    """Checks one finite number >= 0."""
    strengths(name, value)
    scalar(name, value)


def bound(name: str, value: Any) -> None:
    """Checks one number >= 0."""
    bounds(name, value)
    scalar(name, value)


def not_nan(name: str, value: Any) -> None:
    """Checks one number that is not NaN."""
    numbers(name, value, lambda x: ~np.isnan(x), "a number")
    scalar(name, value)


def rate(name: str, value: Any) -> None:
    """Checks a probability of dropping."""
    numbers(name, value, lambda x: (x >= 0) & (x <= 1), "in [0, 1]")
    scalar(name, value)


def rate_below_one(name: str, value: Any) -> None:
    """Checks a probability of dropping that must leave something."""
    numbers(name, value, lambda x: (x >= 0) & (x < 1), "in [0, 1)")
    scalar(name, value)


def ordered(low_name: str, low: Any, high_name: str, high: Any) -> None:
    """Checks low <= high where both live on the host."""
    low_host, high_host = _host_numbers(low_name, low), _host_numbers(high_name, high)
    if low_host is not None and high_host is not None and np.any(low_host > high_host):
        raise ValueError(f"`{low_name}` must be <= `{high_name}`, got {low} and {high}")


def at_least(name: str, value: Any, minimum: int) -> int:
    """Checks a Python integer that shapes depend on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a Python integer, got {value!r}")
    if value < minimum:
        raise ValueError(f"`{name}` must be >= {minimum}, got {value}")
    return int(value)


def one_of(name: str, value: Any, choices: Iterable[str]) -> None:
    """Checks a word."""
    words = tuple(choices)
    if value not in words:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, words))}, got {value!r}")


def key(value: Any) -> None:
    """Checks one PRNG key, new-style or old-style."""
    if not isinstance(value, jax.Array | np.ndarray):
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got {value!r}")
    new_style = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not new_style and value.dtype != np.uint32:
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got an array of dtype {value.dtype}")
    if value.ndim != (0 if new_style else 1):
        raise ValueError(f"`key` must be a single PRNG key, got an array of keys of shape {value.shape}")


def floating(name: str, value: ArrayLike) -> Array:
    """Converts to a floating array."""
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"`{name}` must be a floating array, got dtype {array.dtype}")
    return array


def axes(axis: Axis, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    """Returns the axes that `axis` names in `shape`, sorted and non-negative; None names all."""
    if axis is None:
        return tuple(range(len(shape)))
    named = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in named):
        raise TypeError(f"`axis` must be an integer, a tuple of integers or None, got {axis!r}")
    if not all(-len(shape) <= a < len(shape) for a in named):
        raise ValueError(f"`axis` must be in range for {where} of shape {shape}, got {axis}")
    result = sorted(int(a) % len(shape) for a in named)
    if len(set(result)) != len(result):
        raise ValueError(f"`axis` must not name an axis twice, got {axis} for {where} of shape {shape}")
    return tuple(result)


def same_structure(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure."""
    structure, wanted = jax.tree.structure(got), jax.tree.structure(expected)
    if structure != wanted:
        raise ValueError(f"`{name}` must have the structure of `{of}`, got {structure} instead of {wanted}")


def params_given(params: Any) -> None:
    """Checks that an update got the parameters."""
    if params is None:
        raise ValueError("`params` must be given to `update`: call `optimizer.update(updates, state, params)`, got None")
