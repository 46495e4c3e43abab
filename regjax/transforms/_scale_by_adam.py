"""The direction of Adam."""

from typing import Any

import jax
import optax

from regjax._src.numerics import widen
from regjax._src.types import Array, PyTree, Scalar
from regjax.transforms._metric import Metric, without_bias


def scale_by_adam(
    adam: optax.GradientTransformation, metric: Metric, b1: Scalar, nesterov: bool
) -> optax.GradientTransformation:
    """Returns `optax.scale_by_adam` (or `scale_by_amsgrad`), which multiplies by 1 / d instead of dividing by d.

    The thresholds of a proximal operator in the metric d are multiples of 1 / d as well. The compiler then divides once
    for both, and division is most of the arithmetic of a step.
    """

    def update_fn(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, Any]:
        quotients, state = adam.update(updates, state, params)

        def direction(quotient: Any, gradient: Any, mu: Any, d: Any) -> Any:
            if quotient is None:
                return None
            moment = _first_moment(widen(gradient), widen(mu), b1, state.count, nesterov)
            return (moment * (1 / d)).astype(quotient.dtype)

        moments = (updates, state.mu, metric.diagonal(state))
        return jax.tree.map(direction, quotients, *moments, is_leaf=lambda node: node is None), state

    return optax.GradientTransformation(adam.init, update_fn)


def _first_moment(gradient: Array, mu: Array, b1: Scalar, count: Array, nesterov: bool) -> Array:
    if not nesterov:
        return without_bias(mu, b1, count)
    ahead = without_bias(mu, b1, jax.numpy.asarray(optax.safe_increment(count)))
    return b1 * ahead + (1 - b1) * without_bias(gradient, b1, count)
