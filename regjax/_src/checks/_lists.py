"""How messages show what they got."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def some(paths: list[str]) -> str:
    """Returns the first of some paths, and how many more there are."""
    shown = ", ".join(map(repr, paths[:8]))
    return shown if len(paths) <= 8 else f"{shown} and {len(paths) - 8} more"


def one_line(value: Any) -> str:
    """Returns what `str` says, in one line."""
    return " ".join(str(value)[:200].split())


def shown(value: Any) -> str:
    """Returns a value in one line: an array that is no number by its dtype and shape."""
    if isinstance(value, jax.Array | np.ndarray) and (value.ndim or not jnp.issubdtype(value.dtype, np.number)):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    return " ".join(repr(value)[:200].split())
