"""Batches of images, and trees of batches that share their space: an image and its mask move together."""

from collections.abc import Callable
from typing import Any

import jax

from regjax._src import checks
from regjax._src.types import Array, PyTree


def on_each(function: Callable[..., Array], x: PyTree, **options: Any) -> PyTree:
    """Maps `function(array, **options)` over a tree of arrays.

    Args:
      function: a function of an array and of the options by name.
      x: a tree of arrays.
      **options: each one value for all arrays, or a tree of values in the structure of `x`.
    """
    leaves, structure = jax.tree.flatten(x)
    columns = {name: checks.option_of_each(name, value, structure) for name, value in options.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return structure.unflatten([function(leaf, **row) for leaf, row in zip(leaves, rows, strict=True)])
