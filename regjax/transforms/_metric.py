"""The diagonal metrics in which adaptive optimizers step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number, widen
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, PyTree, Scalar


class Weights(NamedTuple):
    """Positive weights :math:`d`, made leaf by leaf of something that is in memory already.

    Attributes:
      leaves: what they are made of, a tree like the parameters.
      formula: from one of its leaves, or a block of it, to its weights.
    """

    leaves: PyTree
    formula: Callable[[Array], Array]


class Metric(NamedTuple):
    """How the metric of an optimizer is read from its state.

    Attributes:
      diagonal: from the state of the optimizer after an update to the positive weights :math:`d` by which it divided
        that update, a tree like the parameters.
      weights: the same as `Weights`, which large leaves need not keep; None for metrics that do not have it.
    """

    diagonal: Callable[[PyTree], PyTree]
    weights: Callable[[PyTree], Weights] | None = None


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


def metric_of(name: str, moment: str, formula: Callable[[Any], Callable[[Array], Array]]) -> Metric:
    """Returns the metric `formula(node)(moment)` of the one node in a state that the function `name` reads."""

    def weights(state: PyTree) -> Weights:
        nodes = nodes_of(state, STATES[name])
        checks.one_state(STATES[name], len(nodes))
        of_node = formula(nodes[0])
        return Weights(getattr(nodes[0], moment), lambda leaf: of_node(widen(leaf)))

    def diagonal(state: PyTree) -> PyTree:
        return as_tree(weights(state))

    diagonal.__name__ = name  # for reports
    return Metric(diagonal, weights)


def metric_name(metric: str | Metric | Callable[[PyTree], PyTree]) -> str:
    """Returns what a report calls a metric."""
    if isinstance(metric, str):
        return metric
    return getattr(metric.diagonal if isinstance(metric, Metric) else metric, "__name__", "a function")


def read(metric: Metric | Callable[[PyTree], PyTree], state: PyTree) -> Weights:
    """Returns the weights that a metric finds in a state."""
    if isinstance(metric, Metric):
        return metric.weights(state) if metric.weights is not None else as_weights(metric.diagonal(state))
    return as_weights(metric(state))


def as_tree(weights: Weights) -> PyTree:
    """Returns weights as a tree like the parameters."""
    leaves, structure = jax.tree.flatten(weights.leaves)
    formula = once_per_shape(lambda _, leaf: weights.formula(leaf), leaves)
    return structure.unflatten(formula("", leaf) for leaf in leaves)


def as_weights(tree: PyTree) -> Weights:
    """Returns the weights that are a tree already."""
    return Weights(tree, lambda leaf: leaf)


def refuse_identity(state: PyTree) -> None:
    """Raises an error if an optimizer with this state is known to step in another metric, or in none."""
    for name, classes in STATES.items():
        checks.no_metric_of_its_own(f"regjax.transforms.{name}()", bool(nodes_of(state, classes)))
    checks.no_sign_method(bool(nodes_of(state, ("ScaleByLionState",))))


def without_bias(decay: Scalar, count: Array) -> Callable[[Array], Array]:
    """Returns what takes the bias towards 0, from which it started, from a moment.

    Moments come in the dtype to compute in. The bias is computed once: the compiler would look at it anew in each leaf.
    """
    # For all that a moment may be: gradients and decays may be wider than the moments of the step before.
    dtypes = {jax.dtypes.canonicalize_dtype(dtype) for dtype in (jnp.float32, jnp.float64)}
    left = {dtype: 1 - number(decay, dtype) ** count.astype(dtype) for dtype in dtypes}
    return lambda moment: moment / left[jax.dtypes.canonicalize_dtype(moment.dtype)]


def root(square: Array, eps: Scalar, eps_root: Scalar) -> Array:
    """Returns the root of a second moment with what keeps it from 0."""
    return _plus(jnp.sqrt(_plus(square, eps_root)), eps)


def _plus(array: Array, small: Scalar) -> Array:
    return array if isinstance(small, int | float) and small == 0 else array + number(small, array.dtype)
