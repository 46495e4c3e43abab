"""Early stopping as a state machine."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.types import Array, PyTree, Scalar


class EarlyStoppingState(NamedTuple):
    """What early stopping remembers: arrays of a fixed structure, shape and dtype.

    Attributes:
      should_stop: bool, True from the update at which training should stop; nothing else changes after it.
      has_improved: bool, whether the last update improved on the best metric before it.
      best_metric: float, the best metric so far; infinity, of the worse sign, before there is one.
      best_step: int32, the 0-based number of the update that gave `best_metric`; -1 before there is one.
      best_params: the parameters given with `best_metric`, those of `init` before there is one; None unless kept.
      wait: int32, how many updates in a row have not counted as progress.
      step: int32, how many updates there were; once stopped, `step - 1` is the number of the one that stopped.
    """

    should_stop: Array
    has_improved: Array
    best_metric: Array
    best_step: Array
    best_params: PyTree
    wait: Array
    step: Array


class EarlyStopping(NamedTuple):
    """A pair of pure functions, made by :func:`regjax.stopping.early_stopping`.

    Attributes:
      init: `init(params=None)` returns the state to begin with.
      update: `update(state, metric, params=None)` returns the state after one more metric.
    """

    init: Callable[..., EarlyStoppingState]
    update: Callable[..., EarlyStoppingState]


def early_stopping(
    *,
    patience: Scalar,
    min_delta: Scalar = 0.0,
    relative: bool = False,
    mode: Literal["min", "max"] = "min",
    warmup: Scalar = 0,
    baseline: Scalar | None = None,
    nan: Literal["wait", "stop", "skip"] = "wait",
    keep_best: bool = False,
) -> EarlyStopping:
    r"""Returns the functions that tell when a metric has stopped improving.

    With :math:`b` the best metric so far, an update with the metric :math:`m` improves where

    .. math::

      m + \delta < b \quad \text{in mode "min"}, \qquad m - \delta > b \quad \text{in mode "max"},

    with :math:`\delta` equal to `min_delta`, or to `min_delta` :math:`\cdot |b|` where it is `relative`; the first
    metric that is not NaN always improves. It stops at the `patience`-th update in a row that does not improve. A
    patience of 0 is one of 1, and the first update of all never stops, as in Keras: a metric that stays the same stops
    at the updates 1, 1, 2 and 3 (0-based) for the patiences 0, 1, 2 and 3.

    With a `baseline`, an improvement sets the waiting back only where it passes the baseline too, by the same rule;
    one that does not is the best metric all the same, and does not stop itself.

    Stopping indices are those of Keras 3, except that a NaN is never the best metric. Nothing here depends on the
    values of arrays, so it works in a Python loop, in `lax.scan` and `lax.while_loop`, and under `vmap`, where each
    lane stops by itself and keeps its state from then on.

    Args:
      patience: how many updates in a row may pass without improvement, an integer >= 0; may be traced.
      min_delta: how much better is better, >= 0, in units of the metric, or as a share of the best one where
        `relative`; may be traced.
      relative: whether `min_delta` is a share.
      mode: whether a smaller metric is better ("min") or a larger one ("max").
      warmup: how many updates to ignore at the start, an integer >= 0; may be traced.
      baseline: a metric that has to be passed before any progress counts, or None; may be traced.
      nan: what a NaN does. "wait": it is an update without improvement. "stop": training stops at once, warm-up or
        not. "skip": the update counts in `step` only, so a NaN can stand for a step without validation.
      keep_best: whether to keep the parameters that gave the best metric: any tree, so batch statistics may, and with
        batch normalization should, be part of it.

    Returns:
      The pair `init(params=None)` and `update(state, metric, params=None)`. A metric is a real scalar, Python's or
      JAX's, and is compared in JAX's default floating dtype. Where `keep_best`, both need `params`, which in `update`
      are the ones that gave the metric; copies are chosen on the device, by `jnp.where`.

    Raises:
      TypeError: if an argument is of a wrong kind, or a metric is not a real number.
      ValueError: if an argument is out of range, a metric is not a scalar, `params` are missing, or they do not have
        the structure, shapes and dtypes of those of `init`.

    Examples:
      >>> import jax, jax.numpy as jnp, regjax
      >>> init, update = regjax.stopping.early_stopping(patience=2)
      >>> state = init()
      >>> for loss in [0.9, 0.7, 0.8, 0.75, 0.1]:
      ...     state = update(state, loss)
      ...     if state.should_stop:
      ...         break
      >>> int(state.step), int(state.best_step), round(float(state.best_metric), 1)
      (4, 1, 0.7)

      In one compiled program, here gradient descent with several learning rates, each of which stops by itself:

      >>> stopping = regjax.stopping.early_stopping(patience=3, min_delta=1e-3, keep_best=True)
      >>> def train(learning_rate):
      ...     def step(carry):
      ...         w, state = carry
      ...         return w - learning_rate * 2 * w, stopping.update(state, w**2, w)
      ...
      ...     w = jnp.float32(1.0)
      ...     running = lambda carry: ~carry[1].should_stop
      ...     return jax.lax.while_loop(running, step, (w, stopping.init(w)))[1]
      >>> state = jax.jit(jax.vmap(train))(jnp.array([0.05, 0.4, 1.5]))
      >>> state.step
      Array([36,  7,  4], dtype=int32)

    References:
      Prechelt, `Early Stopping -- But When? <https://doi.org/10.1007/3-540-49430-8_3>`_, 1998
    """
    checks.count("patience", patience)
    checks.count("warmup", warmup)
    checks.strength("min_delta", min_delta)
    checks.one_of("mode", mode, ["min", "max"])
    checks.one_of("nan", nan, ["wait", "stop", "skip"])
    checks.flag("relative", relative)
    checks.flag("keep_best", keep_best)
    if baseline is not None:
        checks.not_nan("baseline", baseline)

    def passes(metric: Array, reference: Array) -> Array:
        """Tells whether a metric is better by more than `min_delta`; never true for NaN."""
        delta = jnp.asarray(min_delta, metric.dtype)
        if relative:
            # An infinite reference, where there is no best metric yet, is passed by any margin.
            delta = delta * jnp.where(jnp.isfinite(reference), jnp.abs(reference), 0)
        return metric + delta < reference if mode == "min" else metric - delta > reference

    def init_fn(params: PyTree = None) -> EarlyStoppingState:
        if keep_best:
            checks.params_to_keep("init", params)
        return EarlyStoppingState(
            should_stop=jnp.array(False),
            has_improved=jnp.array(False),
            best_metric=jnp.asarray(jnp.inf if mode == "min" else -jnp.inf, jnp.result_type(float)),
            best_step=jnp.array(-1, jnp.int32),
            # Copies, so that the parameters may be donated to the first training step.
            best_params=jax.tree.map(jnp.array, params) if keep_best else None,
            wait=jnp.array(0, jnp.int32),
            step=jnp.array(0, jnp.int32),
        )

    def update_fn(state: EarlyStoppingState, metric: Scalar, params: PyTree = None) -> EarlyStoppingState:
        checks.real("metric", metric)
        if keep_best:
            checks.params_to_keep("update", params)
            checks.same_arrays("params", params, "best_params", state.best_params)
        metric = jnp.asarray(metric).astype(state.best_metric.dtype)
        missing = jnp.isnan(metric)
        active = ~state.should_stop
        judged = active & (state.step >= jnp.asarray(warmup).astype(jnp.int32))
        if nan == "skip":
            judged &= ~missing

        improved = judged & ~missing & ((state.best_step < 0) | passes(metric, state.best_metric))
        progress = improved
        if baseline is not None:
            progress &= passes(metric, jnp.asarray(baseline, metric.dtype))
        wait = jnp.where(progress, 0, state.wait + judged.astype(jnp.int32))
        out_of_patience = judged & ~improved & (wait >= jnp.asarray(patience).astype(jnp.int32)) & (state.step > 0)
        stop = out_of_patience | (active & missing) if nan == "stop" else out_of_patience
        return EarlyStoppingState(
            should_stop=state.should_stop | stop,
            has_improved=improved,
            best_metric=jnp.where(improved, metric, state.best_metric),
            best_step=jnp.where(improved, state.step, state.best_step),
            best_params=_keep(improved, params, state.best_params) if keep_best else None,
            wait=wait,
            step=state.step + active.astype(jnp.int32),
        )

    return EarlyStopping(init_fn, update_fn)


def _keep(improved: Array, new: PyTree, old: PyTree) -> PyTree:
    """Chooses on the device, so that nothing has to be read by the host."""
    return jax.tree.map(lambda a, b: jnp.where(improved, a, b), new, old)
