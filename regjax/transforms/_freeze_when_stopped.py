"""Early stopping inside a chain."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regjax._src import checks, recorder
from regjax._src.paths import leaf_paths
from regjax._src.types import PyTree, Scalar
from regjax.stopping import EarlyStopping, EarlyStoppingState


class FreezeWhenStoppedState(NamedTuple):
    """State of :func:`regjax.transforms.freeze_when_stopped`.

    Attributes:
      stopping: the state of the stopping rule, with `should_stop`, `best_metric`, `best_params` and the others.
    """

    stopping: EarlyStoppingState


def freeze_when_stopped(stopping: EarlyStopping) -> optax.GradientTransformationExtraArgs:
    r"""Emits zero updates once a stopping rule says stop.

    .. math::

      u_t \leftarrow \begin{cases} u_t & \text{before the rule stops} \\ 0 & \text{from the update that stops it on}
      \end{cases}

    `update` takes the metric as `value=`, as :func:`optax.contrib.reduce_on_plateau` does: that of the parameters given
    to the same `update`, before they move. So `best_params`, where the rule keeps them, are those that gave the best
    metric, and the parameters stay for ever what they were when the rule stopped. For a metric that is not there at
    every step, make the rule with `nan="skip"` and give NaN in between.

    Only what the optimizer moves freezes and is kept. Batch statistics move on in training passes: with batch
    normalization, call the rule yourself with parameters and statistics together, ``update(state, metric, (params,
    statistics))``, and leave the loop when it says so. With an `nnx.Optimizer`, ``state = optimizer.opt_state[-1]`` is
    this state: ``state.stopping.should_stop[...]`` reads it, and ``nnx.update(model, state.stopping.best_params)`` puts
    the best parameters back.

    It goes last of all in a chain: what follows might move frozen parameters. Under `vmap` each lane freezes by itself.
    Inside `optax.MultiSteps` it judges by the metric of every last mini-step.

    Args:
      stopping: the pair made by :func:`regjax.stopping.early_stopping`.

    Returns:
      A gradient transformation whose `update` needs `value`, and `params` where the rule keeps the best ones. Updates
      keep their dtype.

    Raises:
      TypeError: if `stopping` is not such a pair, or `value` is not a real number.
      ValueError: in `update`, if `value` is missing or no scalar, or `params` are missing and needed.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> rule = regjax.stopping.early_stopping(patience=2)
      >>> tx = optax.chain(optax.sgd(0.1), regjax.transforms.freeze_when_stopped(rule))
      >>> params = jnp.array(1.0)
      >>> state = tx.init(params)
      >>> for loss in [0.9, 0.7, 0.8, 0.9, 0.1]:
      ...     updates, state = tx.update(jnp.array(1.0), state, params, value=loss)
      ...     params = optax.apply_updates(params, updates)
      >>> round(float(params), 1), bool(state[-1].stopping.should_stop)
      (0.7, True)

    References:
      Prechelt, `Early Stopping -- But When? <https://doi.org/10.1007/3-540-49430-8_3>`_, 1998
    """
    checks.stopping(stopping, EarlyStopping)

    def init_fn(params: PyTree) -> FreezeWhenStoppedState:
        recorder.tell("freeze_when_stopped", dict.fromkeys(leaf_paths(params), ()))
        return FreezeWhenStoppedState(stopping.init(params))

    def update_fn(
        updates: PyTree,
        state: Any,
        params: PyTree = None,
        *,
        value: Scalar | None = None,
        **extra_args: Any,
    ) -> tuple[PyTree, FreezeWhenStoppedState]:
        del extra_args
        checks.value_given(value)
        checks.real("value", value)
        after = stopping.update(state.stopping, value, params)
        frozen = jax.tree.map(lambda u: jnp.where(after.should_stop, jnp.zeros_like(u), u), updates)
        return frozen, FreezeWhenStoppedState(after)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
