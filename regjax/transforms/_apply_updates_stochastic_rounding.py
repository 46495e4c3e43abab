"""Adding updates to parameters that are too coarse for them."""

from typing import Any

import jax.numpy as jnp

from regjax._src import random
from regjax._src.numerics import compute_dtype
from regjax._src.rounding import round_stochastically
from regjax._src.sharing import once_per_shape
from regjax._src.types import Array, Key, PyTree
from regjax.transforms._updates import aligned, moves


def apply_updates_stochastic_rounding(key: Key, params: PyTree, updates: PyTree) -> PyTree:
    r"""Adds updates to parameters as `optax.apply_updates`, and rounds at random what is narrower than float32.

    Between its neighbours :math:`a \le p + u \le b` in the dtype of the parameter, the sum becomes

    .. math::

      \begin{cases} b & \text{with probability } (p + u - a) / (b - a) \\ a & \text{otherwise} \end{cases}

    so that its expectation is :math:`p + u`. Rounded to the nearest, as by `optax.apply_updates`, a step of less than
    1/512 of a bfloat16 parameter (1/4096 in float16) is lost, each time: 200 steps of a decay of 1e-4 leave a parameter
    of 1 where it is, and here they take a thousand of them to 0.980 on average, as in float32. The price is noise, of
    up to one step of the dtype. Float32 copies of the parameters (:math:`4` bytes each) have neither defect.

    `nnx.Optimizer` and Flax's `TrainState` apply updates by themselves: keep parameters and state beside each other
    instead, and call `update` and then this. The updates should be wider than the parameters, or what is small is lost
    before: give the optimizer gradients in float32 (``jax.tree.map(lambda g: g.astype(jnp.float32), gradients)``,
    before `init` as well). Sums that the dtype holds are exact: the zeros of a proximal operator stay zeros. Weights on
    the border of a constraint may leave it by one rounding, as with `optax.apply_updates`.

    Args:
      key: a PRNG key, another at each step: ``jax.random.fold_in(key, step)``.
      params: a tree of parameters.
      updates: a tree of updates like `params`; None where there is none.

    Returns:
      A tree with the structure, shapes and dtypes of `params`. Leaves of float32 and float64, and integers, become what
      `optax.apply_updates` makes of them.

    Raises:
      TypeError: if `key` is of a wrong kind.
      ValueError: if `updates` and `params` differ in structure or shapes.

    Examples:
      >>> import jax, jax.numpy as jnp, optax, regjax
      >>> params = jnp.ones(1000, jnp.bfloat16)
      >>> updates = jnp.full(1000, -0.001)  # a quarter of the step from 1 down to the next number
      >>> optax.apply_updates(params, updates).astype(jnp.float32).mean()
      Array(1., dtype=float32)
      >>> moved = regjax.transforms.apply_updates_stochastic_rounding(jax.random.key(0), params, updates)
      >>> moved.dtype, f"{moved.astype(jnp.float32).mean():.4f}"
      (dtype(bfloat16), '0.9990')

    References:
      Gupta et al, `Deep Learning with Limited Numerical Precision <https://arxiv.org/abs/1502.02551>`_, 2015; Zamirai
      et al, `Revisiting BFloat16 Training <https://arxiv.org/abs/2010.06192>`_, 2020
    """
    structure, us, ps = aligned(updates, params)
    keys = random.split(key, max(len(ps), 1))
    added = once_per_shape(lambda _, u, p, own: _added(u, p, own), ps)

    def on_leaf(u: Any, p: Any, own: Key) -> Any:
        if u is None:
            return p
        return added("", u, p, own) if moves(u, p) else jnp.asarray(p + u).astype(jnp.result_type(p))

    return structure.unflatten([on_leaf(u, p, own) for u, p, own in zip(us, ps, keys, strict=False)])


def _added(u: Any, p: Any, key: Key) -> Array:
    u, p = jnp.asarray(u), jnp.asarray(p)
    dtype = compute_dtype(u, p)
    total = p.astype(dtype) + u.astype(dtype)
    if jnp.finfo(p.dtype).bits >= 32:
        return total.astype(p.dtype)
    return round_stochastically(key, total.astype(jnp.float32), p.dtype)
