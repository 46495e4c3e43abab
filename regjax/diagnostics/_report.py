"""Numbers for each leaf that can leave a jitted function and print as a table."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from regjax._src.table import table
from regjax._src.types import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Report:
    """Named numbers for each leaf of a tree, and for the whole tree.

    It is a pytree of arrays, so it can be returned from `jit`, carried by `scan` and mapped by `vmap`; it prints as an
    aligned table where the numbers are scalars.

    Attributes:
      leaves: from the path of a leaf to its numbers by name, each an array with shape (). The path of an array that is
        no tree is "".
      total: the numbers of the whole tree by name.
      columns: the names, in the order in which they are printed.
    """

    leaves: dict[str, dict[str, Array]]
    total: dict[str, Array]
    columns: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def __getitem__(self, path: str) -> dict[str, Array]:
        """Returns the numbers of one leaf."""
        return self.leaves[path]

    def __str__(self) -> str:
        rows = [*self.leaves.items(), ("total", self.total)]
        cells = [[path, *(_cell(numbers[name]) for name in self.columns)] for path, numbers in rows]
        return table(["leaf", *self.columns], cells)


def _cell(number: Any) -> str:
    if isinstance(number, Tracer):
        return "<traced>"
    array = np.asarray(number)
    if array.ndim:
        return f"{array.dtype}{list(array.shape)}"
    return str(int(array)) if array.dtype.kind in "iu" else f"{float(array):.4g}"
