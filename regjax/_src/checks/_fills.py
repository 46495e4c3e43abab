"""What entries are replaced by, and which ones."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from regjax._src.checks._arrays import any_array, host_array
from regjax._src.checks._kinds import instance, one_of
from regjax._src.checks._lists import one_line
from regjax._src.checks._mixing import examples
from regjax._src.checks._numbers import not_nan, numbers, ordered, scalar
from regjax._src.types import Array, ArrayLike


def integers(name: str, value: ArrayLike) -> Array:
    """Checks an array of integers, such as tokens or lengths."""
    array = any_array(name, value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"`{name}` must be an integer array, got dtype {array.dtype}")
    return array


def whole(name: str, value: Any, minimum: float = 0, maximum: float = math.inf) -> None:
    """Checks an integer that may be traced."""
    asked = f"an integer >= {minimum}" if maximum == math.inf else f"an integer in [{minimum}, {maximum}]"
    numbers(name, value, lambda x: (x >= minimum) & (x <= maximum) & np.isfinite(x) & (np.floor(x) == x), asked)
    scalar(name, value)
    integers(name, value)


def interval(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Checks the two ends of an interval of finite numbers that are above `low` and at most `high`."""
    instance(name, value, tuple | list, "be a pair of numbers")
    if len(value) != 2:
        raise ValueError(f"`{name}` must be a pair of numbers, got {one_line(value)}")
    asked = "finite" if low == -math.inf else f"finite and > {low}" if high == math.inf else f"in ({low}, {high}]"
    for end in value:
        numbers(name, end, lambda x: (x > low) & (x <= high) & np.isfinite(x), asked)
        scalar(name, end)
    ordered(f"{name}[0]", value[0], f"{name}[1]", value[1])


def fill(value: Any, x: Array) -> Array:
    """Returns what fills an array with its channels in the last axis, one value for all channels or one for each."""
    value = host_array("fill", value) if isinstance(value, tuple | list) else value
    if jnp.issubdtype(x.dtype, jnp.integer):
        low, high = int(jnp.iinfo(x.dtype).min), int(jnp.iinfo(x.dtype).max)
        asked = f"integers in [{low}, {high}] for the {x.dtype} array `x`"
        numbers("fill", value, lambda v: (v >= low) & (v <= high) & (np.floor(v) == v), asked)
    else:
        numbers("fill", value, lambda v: ~np.isnan(v), "numbers")
    array = jnp.asarray(value)
    if array.shape not in {(), x.shape[-1:]}:
        raise ValueError(f"`fill` must have shape () or {x.shape[-1:]}, one value for each channel, got {array.shape}")
    return array.astype(x.dtype)


def number_or_word(name: str, value: Any, word: str) -> None:
    """Checks a number that one word may stand for."""
    if isinstance(value, str):
        one_of(name, value, [word])
    else:
        not_nan(name, value)


def spectrograms(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns the numbers of examples, frames and frequencies."""
    if len(shape) < 3:
        raise ValueError(f"`x` must have shape [batch, time, frequency, ...], got {shape}")
    return shape[0], shape[1], shape[2]


def lengths(value: ArrayLike, batch: int, longest: int) -> Array:
    """Checks the number of real entries of each example."""
    host = host_array("lengths", value) if isinstance(value, tuple | list) else value
    numbers("lengths", host, lambda n: (n >= 0) & (n <= longest), f"in [0, {longest}]")
    return examples("lengths", integers("lengths", host), batch)
