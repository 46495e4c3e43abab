"""Numbers: strengths, bounds, rates, counts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._lists import one_line, shown


def _host_numbers(name: str, value: Any) -> np.ndarray | None:
    """Returns the numbers of `value` where they can be looked at, and refuses what is no number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"`{name}` must be a number or a scalar array, got {shown(value)}")
    if isinstance(value, jax.Array):
        if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
            raise TypeError(f"`{name}` must be a real number, got an array of dtype {value.dtype}")
        return None
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iuf":
        # Low-precision floats (bfloat16, float8) are kind "V" to NumPy and become float64 here.
        if not jnp.issubdtype(numbers.dtype, jnp.floating):
            raise TypeError(f"`{name}` must be a real number, got {shown(value)}")
        numbers = numbers.astype(np.float64)
    return numbers


def numbers(name: str, value: Any, accept: Callable[[np.ndarray], Any], requirement: str) -> None:
    """Checks numbers of any shape that live on the host; `accept` must be false for NaN."""
    host = _host_numbers(name, value)
    if host is not None and not np.all(accept(host)):
        raise ValueError(f"`{name}` must be {requirement}, got {one_line(value)}")


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


def real(name: str, value: Any) -> None:
    """Checks one real number, which may be infinite or NaN."""
    _host_numbers(name, value)
    scalar(name, value)


def strength(name: str, value: Any) -> None:
    """Checks one finite number >= 0."""
    strengths(name, value)
    scalar(name, value)


def bound(name: str, value: Any) -> None:
    """Checks one number >= 0."""
    bounds(name, value)
    scalar(name, value)


def not_nans(name: str, value: Any) -> None:
    """Checks an end of an interval, or an array of them."""
    numbers(name, value, lambda x: ~np.isnan(x), "a number")


def not_nan(name: str, value: Any) -> None:
    """Checks an end of an interval."""
    not_nans(name, value)
    scalar(name, value)


def rates(name: str, value: Any) -> None:
    """Checks a share or a probability of dropping, or an array of them."""
    numbers(name, value, lambda x: (x >= 0) & (x <= 1), "in [0, 1]")


def rate(name: str, value: Any) -> None:
    """Checks one share or one probability of dropping."""
    rates(name, value)
    scalar(name, value)


def rate_below_one(name: str, value: Any) -> None:
    """Checks a probability of dropping that must leave something, or the decay of an average."""
    numbers(name, value, lambda x: (x >= 0) & (x < 1), "in [0, 1)")
    scalar(name, value)


def ordered(low_name: str, low: Any, high_name: str, high: Any) -> None:
    """Checks low <= high where both live on the host."""
    low_host, high_host = _host_numbers(low_name, low), _host_numbers(high_name, high)
    if low_host is not None and high_host is not None and np.any(low_host > high_host):
        raise ValueError(f"`{low_name}` must be <= `{high_name}`, got {low} and {high}")


def at_least(name: str, value: Any, minimum: int, *, maximum: float = 2**31 - 1) -> int:
    """Checks a Python integer that shapes depend on, which XLA counts in 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a Python integer, got {shown(value)}")
    if value < minimum:
        raise ValueError(f"`{name}` must be >= {minimum}, got {one_line(value)}")
    if value > maximum:
        raise ValueError(f"`{name}` must be <= {maximum}, got one of {int(value).bit_length()} bits")
    return int(value)


def number_or_schedule(name: str, value: Any) -> None:
    """Checks an argument of a transformation that a schedule may stand for."""
    if not callable(value):
        strength(name, value)
