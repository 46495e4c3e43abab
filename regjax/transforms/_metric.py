"""The diagonal metrics in which adaptive optimizers step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number, widen
from regjax._src.types import Array, PyTree, Scalar


class Metric(NamedTuple):
    """How the metric of an optimizer is read from its state.

    Attributes:
      diagonal: from the state of the optimizer after an update to the positive weights :math:`d` by which it divided
        that update, a tree like the parameters.
    """

    diagonal: Callable[[PyTree], PyTree]


def metric_of(states: tuple[str, ...], moment: str, formula: Callable[[Array, Any], Array]) -> Metric:
    """Returns the metric `formula(moment, node)` of the one node in a state whose class has one of these names.

    The classes are known by name because Optax does not export all of them.
    """

    def is_sought(node: Any) -> bool:
        return type(node).__name__ in states

    def diagonal(state: PyTree) -> PyTree:
        nodes = [node for node in jax.tree.leaves(state, is_leaf=is_sought) if is_sought(node)]
        checks.one_state(states, len(nodes))
        return jax.tree.map(lambda leaf: formula(widen(leaf), nodes[0]), getattr(nodes[0], moment))

    return Metric(diagonal)


def without_bias(moment: Array, decay: Scalar, count: Array) -> Array:
    """Returns a moment without its bias towards 0, from which it started."""
    return moment / (1 - number(decay, moment.dtype) ** count.astype(moment.dtype))


def root(square: Array, eps: Scalar, eps_root: Scalar) -> Array:
    """Returns the root of a second moment with what keeps it from 0."""
    return jnp.sqrt(square + number(eps_root, square.dtype)) + number(eps, square.dtype)
