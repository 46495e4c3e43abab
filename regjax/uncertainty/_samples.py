"""The samples themselves."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.types import Key, PyTree
from regjax.uncertainty._passes import check_arguments, sample_key
from regjax.uncertainty._shared import trace


def mc_samples(
    fn: Callable[..., PyTree],
    key: Key,
    *args: Any,
    num_samples: int,
    batch_size: int | None = None,
) -> PyTree:
    r"""Runs a stochastic function several times and stacks its results.

    .. math::

      y_t = f(k_t, x), \qquad k_t = \operatorname{fold\_in}(k, t), \qquad t = 0, \dots, T - 1

    Sample :math:`t` has the same key whatever `num_samples` and `batch_size` are, and the same one as in
    :func:`mc_classify` and :func:`mc_regress`. Call it inside `jax.jit` where it is called more than once: outside,
    every call compiles anew.

    What does not depend on the key is computed once: of a network whose first dropout comes late, :math:`T` passes cost
    :math:`f + T (1 - f)` passes, where :math:`f` is the share that comes before. Loops, conditionals, checkpoints and
    functions with derivatives of their own are not taken apart: one that needs the key, or what depends on it, is
    computed in every pass. What the passes share stays in memory until the last of them.

    Args:
      fn: one stochastic pass, `fn(key, *args)`; with Flax, `functools.partial` of :func:`regjax.linen.mc_apply` or
        :func:`regjax.nnx.mc_call`. It may return any tree of arrays.
      key: a PRNG key. Under `shard_map` the same key draws the same on every shard, unless ``jax.lax.axis_index`` is
        folded in, here or by the layers of `fn` that take `axis_name`.
      *args: passed to `fn`, the same in every pass; they need not be arrays.
      num_samples: the number :math:`T` of passes.
      batch_size: how many passes are computed at a time, by `jax.vmap`; None means one at a time, without `vmap`. Under
        `vmap` JAX draws all the bits of a batch of rbg keys from the first of them, so there the samples, while still
        independent, depend on `batch_size`.

    Returns:
      What `fn` returns, with a leading axis of size `num_samples` on every array.

    Raises:
      TypeError: if `key` is no PRNG key, or a number is no Python integer.
      ValueError: if `num_samples` or `batch_size` is smaller than 1.

    Examples:
      >>> import jax
      >>> import regjax
      >>> samples = regjax.uncertainty.mc_samples(
      ...     jax.random.normal, jax.random.key(0), (3,), num_samples=10, batch_size=4
      ... )
      >>> samples.shape
      (10, 3)

    References:
      Gal and Ghahramani, `Dropout as a Bayesian Approximation <https://arxiv.org/abs/1506.02142>`_, 2016
    """
    num_samples, size = check_arguments(fn, key, num_samples, batch_size)
    traced = trace(lambda sample_key: fn(sample_key, *args), key)

    @jax.jit
    def run(consts: list[Any], key: Key) -> PyTree:
        rest = traced.share(consts)
        indices = jnp.arange(num_samples, dtype=jnp.int32)
        return jax.lax.map(lambda t: rest(sample_key(key, t)), indices, batch_size=size if size > 1 else None)

    return run(traced.jaxpr.consts, key)
