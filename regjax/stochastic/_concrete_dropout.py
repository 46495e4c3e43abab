"""Concrete dropout: dropout whose rate is learned."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar


def concrete_dropout(
    key: Key,
    x: ArrayLike,
    rate_logit: Scalar,
    *,
    temperature: Scalar = 0.1,
    broadcast_dims: Sequence[int] = (),
    axis_name: AxisName = None,
) -> Array:
    r"""Drops entries softly, so that the rate has a gradient.

    With :math:`\operatorname{logit} p = a` and uniform :math:`u_i`,

    .. math::

      y_i = \frac{1 - z_i}{1 - p} \, x_i, \qquad
      z_i = \operatorname{sigmoid} \left( \frac{\operatorname{logit} p + \operatorname{logit} u_i}{t} \right)

    For a small temperature :math:`t`, almost all :math:`z_i` are close to 0 or 1, and 1 has probability :math:`p`: the
    result is close to that of :func:`dropout`. The rate is given by its logit :math:`a` because that is what is
    learned: any number is a rate, and results and gradients are finite and exact for rates as close to 0 and 1 as one
    likes.

    A rate that is learned from the data alone tends to 0: add :func:`concrete_dropout_penalty` to the loss.

    Args:
      key: a PRNG key.
      x: floating array of any shape.
      rate_logit: :math:`a = \log p - \log(1 - p)`, finite; may be traced, and is what gradients flow to.
      temperature: :math:`t > 0`; may be traced.
      broadcast_dims: axes along which one number serves all entries. `(1, 2)` drops whole channels of images
        ``[batch, height, width, channels]``.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same mask on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, computed in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or `rate_logit`, `temperature` or `key` is of a wrong kind.
      ValueError: if `rate_logit` is a number that is not finite, `temperature` a number that is not above 0, or
        `broadcast_dims` names an axis that `x` does not have or names one twice.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> rate_logit = jax.scipy.special.logit(0.25)
      >>> y = regjax.stochastic.concrete_dropout(jax.random.key(0), jnp.ones(100_000), rate_logit)
      >>> round(float((y < y.max() / 2).mean()), 2), round(float(y.max()), 2)
      (0.25, 1.33)

    References:
      Gal, Hron and Kendall, `Concrete Dropout <https://arxiv.org/abs/1705.07832>`_, 2017
    """
    x = checks.floating("x", x)
    checks.logit("rate_logit", rate_logit)
    checks.above("temperature", temperature, 0)
    wide = widen(x)
    shape = random.mask_shape(x.shape, broadcast_dims)
    logit, heat = number(rate_logit, wide.dtype), number(temperature, wide.dtype)
    # The logarithms of 1 - z and of 1 / (1 - p): neither the ratio nor its derivatives leave the range of floats.
    noise = random.logistic(random.for_shard(key, axis_name), shape, wide.dtype)
    log_kept = -jax.nn.softplus((logit + noise) / heat)
    return (wide * jnp.exp(log_kept + jax.nn.softplus(logit))).astype(x.dtype)
