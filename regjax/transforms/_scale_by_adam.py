"""The direction of Adam."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax._src.numerics import compute_dtype, widen
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, PyTree, Scalar
from regjax.transforms._metric import Metric, read, without_bias


def scale_by_adam(
    adam: optax.GradientTransformation, metric: Metric, b1: Scalar, nesterov: bool
) -> optax.GradientTransformation:
    """Returns `optax.scale_by_adam` (or `scale_by_amsgrad`), which multiplies by 1 / d instead of dividing by d.

    The thresholds of a proximal operator in the metric d are multiples of 1 / d as well. The compiler then divides once
    for both, and division is most of the arithmetic of a step.
    """

    def update_fn(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, Any]:
        quotients, state = adam.update(updates, state, params)
        weights = read(metric, state)

        def direction(quotient: Array, gradient: Array, mu: Array, second: Array) -> Array:
            if second.dtype != compute_dtype(second):  # Optax had more digits when it divided
                return quotient
            moment = _first_moment(widen(gradient), widen(mu), b1, state.count, nesterov)
            return (moment * (1 / weights.formula(second))).astype(quotient.dtype)

        leaves, structure = jax.tree.flatten(quotients)
        columns = (structure.flatten_up_to(tree) for tree in (updates, state.mu, weights.leaves))
        on_leaf = once_per_shape(lambda _, *arguments: direction(*arguments), leaves)
        directions = [on_leaf("", *arguments) for arguments in zip(leaves, *columns, strict=True)]
        return structure.unflatten(directions), state

    return optax.GradientTransformation(adam.init, update_fn)


def _first_moment(gradient: Array, mu: Array, b1: Scalar, count: Array, nesterov: bool) -> Array:
    if not nesterov:
        return without_bias(mu, b1, count)
    ahead = without_bias(mu, b1, jnp.asarray(optax.safe_increment(count)))
    return jnp.asarray(b1 * ahead + (1 - b1) * without_bias(gradient, b1, count))
