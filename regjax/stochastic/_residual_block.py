"""A residual block whose branch is lost at random, and is not computed where that can be spared."""

from collections.abc import Callable
from typing import Any

import jax

from regjax._src import checks
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar
from regjax.stochastic._conditional import lean_conditional
from regjax.stochastic._skip import Checkpoint, Conditional, ShapeOf, skip
from regjax.stochastic._stochastic_depth import stochastic_depth
from regjax.stochastic._subset import subset

MODES = ("row", "batch", "subset", "skip")


def residual_block(
    key: Key,
    residual_fn: Callable[[Array], Array],
    x: ArrayLike,
    rate: Scalar,
    *,
    mode: str = "row",
    axis_name: AxisName = None,
) -> Array:
    r"""Adds a residual branch that is dropped at random.

    .. math::

      y = x + s \odot f(x), \qquad \mathbb{E}[s] = 1

    ========  ===============================================================  ======================================
    `mode`    :math:`s`                                                        :math:`f` is computed on
    ========  ===============================================================  ======================================
    "row"     for each row :math:`1/(1-p)` or 0, independently                 all rows
    "batch"   for all rows :math:`1/(1-p)` or 0                                all rows
    "skip"    as "batch"                                                       all rows, or not at all
    "subset"  :math:`B/k` for :math:`k` rows, drawn without replacement,       the :math:`k` rows
              0 for the others; :math:`k = \max(\lfloor B(1-p) \rfloor, 1)`
    ========  ===============================================================  ======================================

    "subset" spares a share :math:`p` of the time and memory of every step, forward and backward. Its branch sees a
    batch of :math:`k` rows, which matters if it normalizes over the batch, and it always keeps a row, even at rate 1. A
    small batch drops another share than the rate says, and a single row is never dropped: to sample, as Monte Carlo
    passes do, take "row". A CPU scatters bfloat16 and float16 in float32, which takes much of the memory back.
    Where the batch is sharded, gathering rows moves them between devices: use it inside `shard_map` with `axis_name`,
    where each shard draws among its own rows. "skip" spares all of the branch in a share :math:`p` of the steps; it is
    a `jax.lax.cond`, which `jax.vmap` over keys or rates turns into computing both sides. In this mode a gradient keeps
    of the branch what matrix products, convolutions, reductions and comparisons gave, and computes arithmetic on single
    entries, such as an activation function, once more: callbacks in the branch may run several times, and ordered ones
    are refused. It copies no parameters that the branch closes over, nor `x`. Where the branch exchanges something
    between lanes of `jax.vmap(..., axis_name=...)`, all of them compute it if one keeps it. With `axis_name`, shards
    skip apart from each other, so a branch must not exchange anything along these axes, and neither must its gradient:
    one that is summed over shards would wait without end for those that skipped. Parameters that all shards share have
    to become their own before the block, by `jax.lax.pcast(params, axis_name, to="varying")` (`jax.lax.pvary` in older
    versions); this function refuses a gradient by others, which the modules of Flax cannot see.

    Args:
      key: a PRNG key. Two blocks need two keys.
      residual_fn: the branch :math:`f`, from an array ``[rows, ...]`` to one of the same shape, row by row. In mode
        "skip" it must be pure; :class:`regjax.linen.ResidualBlock` and :class:`regjax.nnx.ResidualBlock` take
        branches with state.
      x: floating array ``[batch, ...]``.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced except in mode "subset", where it sets shapes.
      mode: see above.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same draw on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape of `x` and the dtype of ``x + residual_fn(x)``; equal to that in expectation where the
      rate is below 1, and at every rate in mode "subset".

    Raises:
      TypeError: if `x` is not floating, `rate` or `key` is of a wrong kind, or `rate` is traced in mode "subset".
      ValueError: if `rate` is a number outside [0, 1], `mode` is none of these, the branch changes the shape, or `x`
        has no leading axis in mode "row" or "subset"; by a gradient in mode "skip", if shards that skip by themselves
        share parameters.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> rows_seen = []
      >>> def branch(x):
      ...     rows_seen.append(len(x))
      ...     return jnp.ones_like(x)
      >>> y = regjax.stochastic.residual_block(jax.random.key(0), branch, jnp.zeros((4, 2)), 0.5, mode="subset")
      >>> rows_seen, sorted(y[:, 0].tolist())
      ([2], [0.0, 0.0, 2.0, 2.0])

    References:
      Huang et al, `Deep Networks with Stochastic Depth <https://arxiv.org/abs/1603.09382>`_, 2016

      Oquab et al, `DINOv2: Learning Robust Visual Features without Supervision
      <https://arxiv.org/abs/2304.07193>`_, 2023 (section 5, the mode "subset")
    """
    checks.function("residual_fn", residual_fn, of="an array")

    def residual(_: tuple[()], rows: Array) -> Array:
        return residual_fn(rows)

    return add_residual(
        key,
        residual,
        (),
        x,
        rate,
        mode=mode,
        axis_name=axis_name,
        conditional=lean_conditional,
        shape_of=jax.eval_shape,
        checkpoint=jax.checkpoint,
    )


def drawless(mode: str) -> tuple[float, ...]:
    """Returns the rates at which a mode draws nothing."""
    return (0.0,) if mode == "subset" else (0.0, 1.0)


def add_residual(
    key: Key,
    residual: Callable[[Any, Array], Array],
    target: Any,
    x: ArrayLike,
    rate: Scalar,
    *,
    mode: str,
    axis_name: AxisName,
    conditional: Conditional,
    shape_of: ShapeOf,
    checkpoint: Checkpoint,
) -> Array:
    """Adds the branch `residual(target, x)`; the Flax rooms have transforms that carry the state of `target`."""
    x = checks.floating("x", x)
    checks.one_of("mode", mode, MODES)
    if mode in ("row", "subset"):
        checks.leading_axis("x", x.shape)
    checks.rate("rate", rate)

    def branch(target: Any, rows: Array) -> Array:
        result = checks.floating("residual", residual(target, rows))
        checks.same_shape("residual", result.shape, "x", rows.shape)
        return result

    if mode == "skip":
        transforms = {"conditional": conditional, "shape_of": shape_of, "checkpoint": checkpoint}
        return skip(key, branch, target, x, rate, axis_name=axis_name, **transforms)
    if mode == "subset":
        return subset(key, lambda rows: branch(target, rows), x, rate, axis_name=axis_name)
    return x + stochastic_depth(key, branch(target, x), rate, mode=mode, axis_name=axis_name)
