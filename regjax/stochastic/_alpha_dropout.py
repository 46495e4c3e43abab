"""Alpha dropout: dropout for networks that normalize themselves."""

from collections.abc import Sequence

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar

# -lambda * alpha of SELU: what SELU approaches at minus infinity.
_SATURATION = -1.7580993408473766


def alpha_dropout(
    key: Key, x: ArrayLike, rate: Scalar, *, broadcast_dims: Sequence[int] = (), axis_name: AxisName = None
) -> Array:
    r"""Drops entries to the negative saturation of SELU and keeps mean 0 and variance 1.

    With :math:`q = 1 - p` and :math:`\alpha' = -1.7580993408473766`,

    .. math::

      y_i = \begin{cases} a x_i + b & \text{with probability } q \\ a \alpha' + b & \text{with probability } p
      \end{cases} \qquad a = \left( q + \alpha'^2 q (1 - q) \right)^{-1/2}, \quad b = -a \, \alpha' (1 - q)

    so that an `x` with mean 0 and variance 1 keeps both. With :math:`p = 0` the result is `x`; with :math:`p = 1`,
    where the formula has no value, it is zero, as in PyTorch, and so are its derivatives. No gradient flows to the
    rate.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      x: floating array of any shape, the output of a SELU.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced.
      broadcast_dims: axes along which one bit serves all entries, for example those of space to drop whole channels.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same mask on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, computed in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], or `broadcast_dims` names an axis that `x` does not have or
        names one twice.

    Examples:
      >>> import jax
      >>> import regjax
      >>> x_key, key = jax.random.split(jax.random.key(0))
      >>> y = regjax.stochastic.alpha_dropout(key, jax.random.normal(x_key, (100, 1000)), 0.3)
      >>> abs(round(float(y.mean()), 1)), round(float(y.var()), 1)
      (0.0, 1.0)

    References:
      Klambauer et al, `Self-Normalizing Neural Networks <https://arxiv.org/abs/1706.02515>`_, 2017
    """
    x = checks.floating("x", x)
    checks.rate("rate", rate)
    shape = random.mask_shape(x.shape, broadcast_dims)
    if random.settled(rate, 0.0):
        return x
    if random.settled(rate, 1.0):
        return jnp.zeros_like(x)
    drop = random.probability(rate)
    mask = random.keep_mask(random.for_shard(key, axis_name), 1 - drop, shape)
    wide = widen(x)
    p, q = number(drop, wide.dtype), number(1 - drop, wide.dtype)
    a = jnp.where(q > 0, (q + _SATURATION**2 * q * p) ** -0.5, 0)
    # a * x + b and a * alpha' + b; the latter without the cancellation at small q.
    kept, dropped = a * (wide - _SATURATION * p), a * _SATURATION * q
    return jnp.where(mask, kept, dropped).astype(x.dtype)
