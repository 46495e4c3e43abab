"""Accelerated proximal gradient descent."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regjax._src import checks
from regjax._src.numerics import add, number, widen
from regjax._src.tree import is_floating
from regjax._src.types import Array, PyTree, ScalarOrSchedule
from regjax.regularizers import Regularizer
from regjax.transforms._describe import tell
from regjax.transforms._move_by_prox import move_by_prox
from regjax.transforms._updates import map_updates, value_at


class AcceleratedState(NamedTuple):
    """The state of :func:`regjax.transforms.proximal_sgd` with `accelerated=True`.

    Attributes:
      step: the number of updates so far, int32 with shape ().
      momentum: the number :math:`t_k`, float32 with shape ().
      solution: the point :math:`x_k`, a tree like the parameters.
    """

    step: Array
    momentum: Array
    solution: PyTree


def accelerated_proximal(
    learning_rate: ScalarOrSchedule, regularizer: Regularizer
) -> optax.GradientTransformationExtraArgs:
    """Returns FISTA with gradient restarts; see :func:`regjax.transforms.proximal_sgd`."""
    checks.regularizer(regularizer, Regularizer)
    for term in regularizer.terms():
        term.require_prox()

    def init_fn(params: PyTree) -> AcceleratedState:
        tell("proximal", regularizer.terms(), params, learning_rate=learning_rate, metric="identity")
        # Copied, so that donating the parameters does not take the solution with them.
        solution = jax.tree.map(lambda leaf: jnp.array(leaf, jnp.result_type(leaf)), params)
        return AcceleratedState(jnp.zeros((), jnp.int32), jnp.ones((), jnp.float32), solution)

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        del extra_args
        rate = value_at(learning_rate, state.step)
        steps = map_updates(lambda g, _: -number(rate, g.dtype) * g, updates, params)
        steps = move_by_prox(regularizer, steps, params, rate, None)
        progress = map_updates(lambda u, y, x: y + u - x, steps, params, state.solution)

        t = jnp.where(_inner_product(steps, progress) < 0, 1, state.momentum)
        following = (1 + jnp.sqrt(1 + 4 * jnp.square(t))) / 2
        beta = (t - 1) / following
        updates = map_updates(lambda u, _, ahead: u + number(beta, u.dtype) * ahead, steps, params, progress)
        solution = _applied(steps, params)
        return updates, AcceleratedState(jnp.asarray(optax.safe_increment(state.step)), following, solution)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _inner_product(steps: PyTree, progress: PyTree) -> Array:
    total = jnp.zeros((), jnp.float32)
    for u, ahead in zip(jax.tree.leaves(steps), jax.tree.leaves(progress), strict=True):
        if is_floating(u):
            total = add(total, jnp.sum(widen(u) * widen(ahead)))
    return total


def _applied(steps: PyTree, params: PyTree) -> PyTree:
    return jax.tree.map(
        lambda u, y: y if u is None else jnp.asarray(y + u).astype(jnp.result_type(y)),
        steps,
        params,
        is_leaf=lambda node: node is None,
    )
