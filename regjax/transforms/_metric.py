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


# What keeps the square of a diagonal that it divides by, by the classes of its state. They are known by name because
# Optax does not export all of them.
STATES = {
    "adabelief_metric": ("ScaleByBeliefState",),
    "adagrad_metric": ("ScaleByRssState",),
    "adam_metric": ("ScaleByAdamState",),
    "amsgrad_metric": ("ScaleByAmsgradState",),
    "rmsprop_metric": ("ScaleByRmsState", "ScaleByRmsWithCountState"),
}


def nodes_of(state: PyTree, classes: tuple[str, ...]) -> list[Any]:
    """Returns the nodes of a state whose class has one of these names."""

    def is_sought(node: Any) -> bool:
        return type(node).__name__ in classes

    return [node for node in jax.tree.leaves(state, is_leaf=is_sought) if is_sought(node)]


def metric_of(name: str, moment: str, formula: Callable[[Array, Any], Array]) -> Metric:
    """Returns the metric `formula(moment, node)` of the one node in a state that the function `name` reads."""

    def diagonal(state: PyTree) -> PyTree:
        nodes = nodes_of(state, STATES[name])
        checks.one_state(STATES[name], len(nodes))
        return jax.tree.map(lambda leaf: formula(widen(leaf), nodes[0]), getattr(nodes[0], moment))

    return Metric(diagonal)


def refuse_identity(state: PyTree) -> None:
    """Raises an error if an optimizer with this state is known to step in another metric, or in none."""
    for name, classes in STATES.items():
        checks.no_metric_of_its_own(f"regjax.transforms.{name}()", bool(nodes_of(state, classes)))
    checks.no_sign_method(bool(nodes_of(state, ("ScaleByLionState",))))


def without_bias(moment: Array, decay: Scalar, count: Array) -> Array:
    """Returns a moment without its bias towards 0, from which it started."""
    return moment / (1 - number(decay, moment.dtype) ** count.astype(moment.dtype))


def root(square: Array, eps: Scalar, eps_root: Scalar) -> Array:
    """Returns the root of a second moment with what keeps it from 0."""
    return jnp.sqrt(square + number(eps_root, square.dtype)) + number(eps, square.dtype)
