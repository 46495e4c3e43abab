"""A proximal operator after the step of an optimizer."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regjax._src import checks
from regjax._src.types import Array, PyTree, ScalarOrSchedule
from regjax.regularizers import Regularizer
from regjax.transforms._describe import tell
from regjax.transforms._metric import as_weights
from regjax.transforms._move_by_prox import move_by_prox
from regjax.transforms._updates import value_at


class ProximalStepState(NamedTuple):
    """The state of :func:`regjax.transforms.proximal_step`.

    Attributes:
      step: the number of updates so far, int32 with shape ().
    """

    step: Array


def proximal_step(
    regularizer: Regularizer, learning_rate: ScalarOrSchedule, *, metric: PyTree | None = None
) -> optax.GradientTransformationExtraArgs:
    r"""Follows the step of the optimizer with the proximal operator of a penalty.

    .. math::

      \theta \leftarrow \operatorname{prox}_{\eta_t \Omega}(\theta + u)

    After gradient descent with the same learning rate :math:`\eta_t` this is proximal gradient descent (ISTA): it
    solves loss plus penalty, and weights that the penalty removes are exactly zero, in every dtype. Weights that the
    operator does not change get the optimizer's update bit for bit.

    After an optimizer that rescales coordinates (Adam, RMSprop, Adagrad) the zeros are as exact, but the point it
    settles at is that of another penalty, which weighs each coordinate by the scale of its gradients. To solve the
    stated problem there the operator has to measure distance in the metric of the optimizer:
    :func:`regjax.transforms.proximal_adam`, or :func:`regjax.transforms.proximal` around any other.

    The step size has to be the length of the optimizer's step for a steady gradient: with `optax.sgd(lr, momentum=m)`
    that is :math:`\eta / (1 - m)`, and so should `learning_rate` be here.

    It goes after everything that changes updates (the learning rate, momentum, weight decay), and only
    :func:`regjax.transforms.project` may follow. Averages of parameters taken later (EMA, lookahead) are not sparse.
    Inside `optax.MultiSteps`, not around it.

    A weight that the gradients of small batches push off zero waits for a step whose threshold exceeds it; where the
    learning rate falls to zero some wait in vain, which a last `regularizer.prox(params, step_size)` mends. In bfloat16
    a threshold of less than 1/512 of a weight is rounded away: keep float32 parameters and cast them for the model.

    Args:
      regularizer: the penalty, its strength and its mask.
      learning_rate: the step size of the operator, a number or a schedule (as of the optimizer, without momentum).
      metric: positive weights in which the operator measures distance, a tree like the parameters; None means all ones.

    Returns:
      A gradient transformation. `update` needs `params`. Updates keep their dtype, or get that of the parameter where
      that is wider.

    Raises:
      TypeError: if `regularizer` is not a regularizer or has no proximal operator, or `learning_rate` is not a number.
      ValueError: if `learning_rate` is negative; in `init` and `update`, if a mask does not fit the parameters.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.chain(optax.sgd(0.1), regjax.transforms.proximal_step(regjax.regularizers.l1(1.0), 0.1))
      >>> params = jnp.array([1.0, 0.05])
      >>> updates, state = tx.update(jnp.zeros(2), tx.init(params), params)
      >>> optax.apply_updates(params, updates)
      Array([0.9, 0. ], dtype=float32)

    References:
      Beck and Teboulle, `A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems
      <https://doi.org/10.1137/080716542>`_, 2009
    """
    checks.regularizer(regularizer, Regularizer)
    for term in regularizer.terms():
        term.require_prox(metric=metric is not None)
    checks.number_or_schedule("learning_rate", learning_rate)

    def init_fn(params: PyTree) -> ProximalStepState:
        tell("proximal_step", regularizer.terms(), params, learning_rate=learning_rate, metric=metric)
        return ProximalStepState(jnp.zeros((), jnp.int32))

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        del extra_args
        step_size = value_at(learning_rate, state.step)
        updates = move_by_prox(regularizer, updates, params, step_size, None if metric is None else as_weights(metric))
        return updates, ProximalStepState(jnp.asarray(optax.safe_increment(state.step)))

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
