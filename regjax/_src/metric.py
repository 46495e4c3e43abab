"""The diagonal metric in which a proximal operator measures distance."""

from collections.abc import Callable
from typing import Any

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import map_floating
from regjax._src.types import Array, PyTree


def map_in_metric(function: Callable[..., Array], tree: PyTree, metric: PyTree | None, *rest: PyTree) -> PyTree:
    """Maps `function(path, z, d, *rest_leaves)` over the floating leaves.

    The weights `d` have the dtype of `z`, and the shape of `z` or (); without a metric `d` is the Python number 1, so
    that the operators of the Euclidean distance compile to their plain formulas.
    """
    if metric is None:
        return map_floating(lambda path, z, *others: function(path, z, 1, *others), tree, *rest)
    checks.same_structure("metric", metric, "tree", tree)

    def on_leaf(path: str, z: Array, d: Any, *others: Any) -> Array:
        checks.metric_shape(path, d, z)
        return function(path, z, number(d, z.dtype), *others)

    return map_floating(on_leaf, tree, metric, *rest)


def threshold_in_metric(threshold: Array, d: Array | int) -> Array:
    """Returns a threshold times 1 / d, which the compiler shares with an optimizer that multiplies its steps by it."""
    return threshold if isinstance(d, int) else threshold * (1 / d)
