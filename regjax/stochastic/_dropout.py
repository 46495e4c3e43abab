"""Dropout: whole entries are lost."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.shards import axes_of_shards, varying_along
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar

BITS = (32, 16, 8)


def dropout(
    key: Key,
    x: ArrayLike,
    rate: Scalar,
    *,
    broadcast_dims: Sequence[int] = (),
    bits: int = 32,
    recompute: bool = False,
    axis_name: AxisName = None,
) -> Array:
    r"""Drops entries at random and scales up the others.

    .. math::

      y_i = \begin{cases} x_i / (1 - p) & \text{with probability } 1 - p \\ 0 & \text{with probability } p \end{cases}

    The numbers are those of Flax's `Dropout` for the same key, bit for bit, unless fewer bits are asked for. A dropped
    entry is 0 and has gradient 0 even where it was infinite or NaN. With :math:`p = 0` the result is `x`, with
    :math:`p = 1` it is zero and so are all its derivatives. No gradient flows to the rate.

    With `bits` of 16 or 8, one random word of 32 bits serves 2 or 4 entries. That is faster, draws other masks than
    Flax, and rounds the rate: an entry is kept with the probability :math:`q = k / 2^\text{bits}` nearest to
    :math:`1 - p`, and divided by :math:`q` itself. So the expectation is still `x`, to the rounding of its dtype; only
    the rate is off, by at most :math:`2^{-17}` or :math:`2^{-9}`. A rate that is 0 or 1 stays that. Any other that
    would round to 0 or 1 is an error where it is a Python number; a traced one, whose value cannot be looked at,
    becomes the nearest step between them: with 8 bits, a traced 0.0001 drops one entry of 256, and 0.9999 keeps one.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      x: floating array of any shape.
      rate: probability :math:`p` of dropping, in [0, 1]. One compilation serves all values of a traced rate, which is
        used in float32, or float64 if it has it.
      broadcast_dims: axes along which one bit serves all entries. `(1, 2)` drops whole channels of images
        ``[batch, height, width, channels]``, and `(1,)` the same features at all times of ``[batch, time, features]``.
      bits: how many random bits decide on an entry, 32, 16 or 8. Fewer cost less time.
      recompute: whether the backward pass draws the mask again from the key, which is all that JAX hands to it,
        instead of keeping the mask, of one byte for each entry. The mask is the same; each pass that needs it pays for
        drawing it. Within one program the compiler has the last word: on a CPU it keeps masks that are shared along
        axes, that JAX's own functions draw (for another kind of key than the default one, or a rate in double
        precision) or, with fewer bits, that are drawn where there are several devices. With fewer bits, layers that
        have only elementwise operations between them need more memory this way, not less.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same mask on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, equal to `x` in expectation where the rate is below 1.

    Raises:
      TypeError: if `x` is not floating, `bits` is not a Python integer, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], or one that rounds to 0 or 1 where there are fewer bits, `bits`
        is none of these, or `broadcast_dims` names an axis that `x` does not have or names one twice.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.stochastic.dropout(jax.random.key(0), jnp.ones(4), 0.0)
      Array([1., 1., 1., 1.], dtype=float32)
      >>> x = jnp.ones((2, 3))
      >>> y = regjax.stochastic.dropout(jax.random.key(0), x, 0.5, broadcast_dims=(1,))
      >>> bool((y == y[:, :1]).all())
      True

      Three of four is a multiple of 1/256, so nothing is rounded.

      >>> y = regjax.stochastic.dropout(jax.random.key(0), jnp.ones(1000), 0.25, bits=8, recompute=True)
      >>> bool(((y == 0) | (y == jnp.float32(4 / 3))).all())
      True

      One mask for all steps of a recurrent network is drawn before them.

      >>> factors = regjax.stochastic.dropout(jax.random.key(0), jnp.ones((2, 8)), 0.5)
      >>> def step(state, x):
      ...     state = jnp.tanh(x + factors * state)
      ...     return state, state
      >>> _, states = jax.lax.scan(step, jnp.zeros((2, 8)), jnp.ones((5, 2, 8)))
      >>> bool(((states[1:] == states[:1]) == (factors == 0)[None]).all())  # who remembers nothing, at any time
      True

    References:
      Srivastava et al, `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
      <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014

      Tompson et al, `Efficient Object Localization Using Convolutional Networks
      <https://arxiv.org/abs/1411.4280>`_, 2015 (whole channels)

      Gal and Ghahramani, `A Theoretically Grounded Application of Dropout in Recurrent Neural Networks
      <https://arxiv.org/abs/1512.05287>`_, 2016 (one mask for all times)
    """
    x = checks.floating("x", x)
    checks.rate("rate", rate)
    checks.bits(bits, BITS)
    checks.flag("recompute", recompute)
    shape = random.mask_shape(x.shape, broadcast_dims)
    if random.settled(rate, 0.0):
        return x
    if random.settled(rate, 1.0):
        return jnp.zeros_like(x)
    checks.key(key)
    key = random.for_shard(key, axis_name)
    drop = _recomputed if recompute else _drop
    return drop(key, x, keep=1.0 - random.probability(rate), shape=shape, width=bits)


def _drop(
    key: Key, x: Array, *, keep: float | Array, shape: tuple[int, ...], width: int, after: Array | None = None
) -> Array:
    if width == 32:
        mask = random.keep_mask(key, keep, shape, after=after)
    else:
        mask, keep = random.coarse_mask(key, keep, shape, width, after=after)
    return random.unbias_kept(mask, x, keep)


def _recomputed(key: Key, x: Array, *, keep: float | Array, shape: tuple[int, ...], width: int) -> Array:
    """Returns what `_drop` does, as a function whose derivatives keep the key alone and draw by themselves.

    Dropping is linear and symmetric: tangents and cotangents are dropped as the entries are. JAX takes that from the
    solution of a linear system, in forward and reverse mode and of any order. Each draw waits for what it drops: a
    compiler that ignores barriers, as that for CPUs does, would merge two draws from the same key and keep the mask.
    One that is shared along axes is small, and waiting for all that it drops would cost more than keeping it.
    """
    random.mark_as_used(key)

    def once(key: Key, x: Array) -> Array:
        data, key_of = random.for_many_draws(key)

        def drop(_: object, v: Array) -> Array:
            # `keep` is no argument of `once`, so that it stays the Python number that it may be.
            after = v if shape == v.shape else None
            return _drop(key_of(data), v, keep=keep, shape=shape, width=width, after=after)

        # A solution differs between shards where the right side does, and no more.
        x = varying_along(x, axes_of_shards(data) | axes_of_shards(keep))
        return jax.lax.custom_linear_solve(lambda v: v, x, drop, symmetric=True)

    # So that loops keep the key that they have, and not its data beside it.
    return jax.checkpoint(once)(key, x)
