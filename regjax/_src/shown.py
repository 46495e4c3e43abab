"""Numbers and options as a report holds them: without arrays and tracers."""

from typing import Any

import jax
import numpy as np
from jax.core import Tracer


class Shown(str):
    """A description in place of a value that cannot be shown."""

    def __repr__(self) -> str:
        return str(self)


def plain(value: Any) -> Any:
    """Returns a number as a Python number, an option as it is and anything larger as a description of it."""
    if isinstance(value, Tracer):
        return Shown("<traced>")
    if isinstance(value, np.ndarray | jax.Array | np.generic):
        return _scalar(np.asarray(value)) if value.ndim == 0 else Shown(f"<{value.dtype}{list(value.shape)}>")
    if isinstance(value, bool | int | float | str | tuple | type(None)):
        return value
    return Shown(f"<tree of {len(jax.tree.leaves(value))} arrays>")


def _scalar(array: np.ndarray) -> Any:
    # By its digits, so that 0.1 in float32 reads as 0.1.
    return array.item() if array.dtype.kind in "biu" else float(str(array))
