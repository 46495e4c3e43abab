"""An optimizer and a proximal operator in its metric, as one optimizer."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import optax

from regjax._src import checks
from regjax._src.types import Array, PyTree, ScalarOrSchedule
from regjax.regularizers import Regularizer
from regjax.transforms._describe import tell
from regjax.transforms._metric import Metric, metric_name, read, refuse_identity
from regjax.transforms._move_by_prox import move_by_prox
from regjax.transforms._updates import aligned, value_at


class ProximalState(NamedTuple):
    """The state of :func:`regjax.transforms.proximal`.

    Attributes:
      inner_state: the state of the wrapped optimizer.
      step: the number of updates so far, int32 with shape ().
    """

    inner_state: PyTree
    step: Array


def proximal(
    optimizer: optax.GradientTransformation,
    regularizer: Regularizer,
    learning_rate: ScalarOrSchedule,
    *,
    metric: Literal["identity"] | Metric | Callable[[PyTree], PyTree] = "identity",
) -> optax.GradientTransformationExtraArgs:
    r"""Wraps an optimizer so that it minimizes loss plus penalty, with exact zeros.

    .. math::

      z = \theta + u_t, \qquad \theta \leftarrow \operatorname{prox}^{d_t}_{\eta_t \Omega}(z)
      = \arg\min_x \tfrac12 \sum_i d_i (x_i - z_i)^2 + \eta_t \Omega(x)

    The update of an adaptive optimizer is :math:`u_i = -\eta g_i / d_i` with its own :math:`d`, the root of the second
    moment in Adam. Only the operator that measures distance in the same :math:`d` has the solution of the stated
    problem, :math:`0 \in \nabla f(\theta) + \partial\Omega(\theta)`, as its fixed point; the plain operator weighs the
    penalty of each coordinate by the scale of its gradients. So give the metric of the optimizer:

    =============================================  ====================================================
    optimizer                                      metric
    =============================================  ====================================================
    `optax.sgd`, with momentum or without          "identity"
    `optax.adam`, `adamw`, `nadam`, `yogi`         :func:`regjax.transforms.adam_metric`
    `optax.amsgrad`                                :func:`regjax.transforms.amsgrad_metric`
    `optax.rmsprop`                                :func:`regjax.transforms.rmsprop_metric`
    `optax.adagrad`                                :func:`regjax.transforms.adagrad_metric`
    `optax.adabelief`                              :func:`regjax.transforms.adabelief_metric`
    any other that divides by a diagonal           a function of its state that returns :math:`d`
    =============================================  ====================================================

    There is none for methods that step by the sign (`optax.lion`, `sign_sgd`). They divide by :math:`|g|` itself, which
    is not bounded away from 0: a weight whose gradient passes through 0 would be thrown to zero from any distance, and
    under the noise of small batches the fixed points are those of another problem.

    Gradients do not vanish at a solution with a penalty, so what clips them inside the optimizer changes the problem as
    soon as it acts. Weight decay inside the optimizer is not part of the problem that is solved; for a solved L2 term
    take :func:`regjax.regularizers.elastic_net`. Whether the solution is reached :func:`regjax.diagnostics.optimality`
    tells.

    In a chain only :func:`regjax.transforms.project` may follow. Inside `optax.MultiSteps`, not around it; for other
    learning rates or optimizers by leaf, one in each part of `optax.partition`.

    Args:
      optimizer: any Optax optimizer, with its learning rate inside: `optax.adam(learning_rate)`.
      regularizer: the penalty, its strength and its mask.
      learning_rate: the learning rate :math:`\eta_t` of that optimizer, the same number or schedule. With momentum m in
        `optax.sgd` it is :math:`1 / (1 - m)` times that: the step that a steady gradient makes in the end. In
        `optax.rmsprop` momentum comes after the learning rate, so that this holds for a constant rate only.
      metric: how to read :math:`d` from the state of the optimizer after its update. Under `optax.inject_hyperparams` a
        function of your own has to be wrapped, `regjax.transforms.Metric(function)`: it would be called as a schedule.

    Returns:
      A gradient transformation. `update` needs `params`. Updates keep their dtype, or get that of the parameter where
      that is wider.

    Raises:
      TypeError: if `optimizer` is not one, `regularizer` is not a regularizer or has no proximal operator (in a
        metric), or `learning_rate` is not a number.
      ValueError: if `learning_rate` is negative; in `init` and `update`, if a mask does not fit the parameters; in
        `init`, if `metric` is "identity" and the optimizer is known to divide by something else; in `update`, if
        `metric` does not fit the optimizer or the parameters.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = regjax.transforms.proximal(
      ...     optax.rmsprop(0.1), regjax.regularizers.l1(1.0), 0.1, metric=regjax.transforms.rmsprop_metric()
      ... )
      >>> params = jnp.array([1.0, 0.1])
      >>> updates, state = tx.update(jnp.array([3.0, 0.5]), tx.init(params), params)
      >>> optax.apply_updates(params, updates).round(4)
      Array([0.5784, 0.    ], dtype=float32)

    References:
      Yun et al, `Adaptive Proximal Gradient Methods for Structured Neural Networks
      <https://arxiv.org/abs/2007.07484>`_, 2021
    """
    checks.optimizer(optimizer)
    checks.regularizer(regularizer, Regularizer)
    checks.metric_reader(metric)
    for term in regularizer.terms():
        term.require_prox(metric=metric != "identity")
    checks.number_or_schedule("learning_rate", learning_rate)
    inner = optax.with_extra_args_support(optimizer)

    def init_fn(params: PyTree) -> ProximalState:
        state = inner.init(params)
        if isinstance(metric, str):
            refuse_identity(state)
        tell("proximal", regularizer.terms(), params, learning_rate=learning_rate, metric=metric_name(metric))
        return ProximalState(state, jnp.zeros((), jnp.int32))

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        aligned(updates, params)  # what does not fit is said here, in one sentence, and not inside the optimizer
        updates, inner_state = inner.update(updates, state.inner_state, params, **extra_args)
        step_size = value_at(learning_rate, state.step)
        weights = None if isinstance(metric, str) else read(metric, inner_state)
        updates = move_by_prox(regularizer, updates, params, step_size, weights)
        return updates, ProximalState(inner_state, jnp.asarray(optax.safe_increment(state.step)))

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
