"""The types that signatures speak of."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
from jax.typing import ArrayLike

Array: TypeAlias = jax.Array
Key: TypeAlias = jax.Array
PyTree: TypeAlias = Any
# A Python number, or a scalar array that may be traced.
Scalar: TypeAlias = ArrayLike
Schedule: TypeAlias = Callable[[ArrayLike], ArrayLike]
ScalarOrSchedule: TypeAlias = Scalar | Schedule
Axis: TypeAlias = int | tuple[int, ...] | None
# Of a mesh, or of `vmap`.
AxisName: TypeAlias = str | tuple[str, ...] | None

__all__ = [
    "Array",
    "ArrayLike",
    "Axis",
    "AxisName",
    "Key",
    "PyTree",
    "Scalar",
    "ScalarOrSchedule",
    "Schedule",
]
