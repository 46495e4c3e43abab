"""The direction of Adam."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax._src.numerics import compute_dtype, widen
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, PyTree, Scalar
from regjax.transforms._metric import Metric, read, without_bias


def scale_by_adam(
    adam: optax.GradientTransformation, metric: Metric, b1: Scalar, nesterov: bool, *, divides: bool
) -> optax.GradientTransformation:
    """Returns `optax.scale_by_adam` (or `scale_by_amsgrad`), traced once for all leaves of a shape.

    Args:
      adam: what it is to be.
      metric: what reads its d.
      b1: the decay of its first moment.
      nesterov: whether that looks ahead.
      divides: whether the direction is divided by d, as Optax does, and not multiplied by 1 / d. The thresholds of a
        proximal operator in the metric d may be multiples of 1 / d as well: the compiler then divides once for both,
        and division is most of the arithmetic of a step.
    """

    def update_fn(updates: PyTree, state: Any, params: PyTree = None) -> tuple[PyTree, Any]:
        del params
        update: Any = adam.update  # as Optax types it, it returns any tree
        gradients, structure = jax.tree.flatten(updates, is_leaf=lambda node: node is None)
        if not gradients:
            return update(updates, state)
        names = [name for name in state._fields if name != "count"]
        columns = [structure.flatten_up_to(getattr(state, name)) for name in names]
        # What has no leaves still counts.
        _, after = update([], state._replace(**{name: [] for name in names}))
        formula = read(metric, state._replace(count=after.count)).formula
        first_moment = _first_moment(b1, after.count, nesterov)

        def on_leaf(_: str, gradient: Any, *moments: Any) -> tuple[Any, ...]:
            own = state._replace(**{name: [moment] for name, moment in zip(names, moments, strict=True)})
            [direction], own = update([gradient], own)
            [second] = read(metric, own).leaves
            # Of moments in a narrower dtype Optax had more digits when it divided.
            if gradient is not None and own.mu[0].dtype == second.dtype == compute_dtype(gradient, second):
                moment, d = first_moment(widen(gradient), own.mu[0]), formula(second)
                direction = (moment / d if divides else moment * (1 / d)).astype(direction.dtype)
            return direction, *(getattr(own, name)[0] for name in names)

        shared = once_per_shape(on_leaf, gradients)
        results = [shared("", *arguments) for arguments in zip(gradients, *columns, strict=True)]
        directions, *moments = map(structure.unflatten, zip(*results, strict=True))
        return directions, after._replace(**dict(zip(names, moments, strict=True)))

    return optax.GradientTransformation(adam.init, update_fn)


def _first_moment(b1: Scalar, count: Array, nesterov: bool) -> Callable[[Array, Array], Array]:
    now = without_bias(b1, count)
    if not nesterov:
        return lambda _, mu: now(mu)
    ahead = without_bias(b1, jnp.asarray(optax.safe_increment(count)))
    return lambda gradient, mu: jnp.asarray(b1 * ahead(mu) + (1 - b1) * now(gradient))
