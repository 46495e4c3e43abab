"""Groups of weights: the entries of a leaf along some axes."""

import math

import numpy as np

from regjax._src import checks
from regjax._src.types import Array, Axis


def leaf_axes(axis: Axis, path: str, leaf: Array) -> tuple[int, ...]:
    """Returns the axes of a leaf that `axis` names, or says which leaf does not have them."""
    return checks.axes(axis, np.shape(leaf), f"the leaf '{path}'" if path else "the array")


def group_weight(leaf: Array, axes: tuple[int, ...], size_scaling: bool) -> float:
    """Returns the factor that makes the penalties of groups of different sizes comparable."""
    checks.flag("size_scaling", size_scaling)
    return math.sqrt(math.prod(leaf.shape[a] for a in axes)) if size_scaling else 1.0
