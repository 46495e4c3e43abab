"""Gaussian dropout: multiplicative noise with the variance of dropout."""

from regjax._src import checks, random
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar


def gaussian_dropout(key: Key, x: ArrayLike, rate: Scalar, *, axis_name: AxisName = None) -> Array:
    r"""Multiplies every entry by Gaussian noise with the mean and variance of dropout.

    .. math::

      y_i = x_i \left( 1 + \sqrt{\tfrac{p}{1 - p}} \; \varepsilon_i \right), \qquad \varepsilon_i \sim \mathcal{N}(0, 1)

    No gradient flows to the rate.

    Args:
      key: a PRNG key; a rate of 0 that is a Python number does not look at it.
      x: floating array of any shape.
      rate: the rate :math:`p` of the dropout that has this variance, in [0, 1); may be traced, and
        is not looked at then: 1 gives infinities.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same noise on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, equal to `x` in expectation. The noise is drawn in float32, or float64
      for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1).

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> y = regjax.stochastic.gaussian_dropout(jax.random.key(0), jnp.ones((100, 1000)), 0.2)
      >>> round(float(y.mean()), 2), round(float(y.var()), 2)
      (1.0, 0.25)

    References:
      Srivastava et al, `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
      <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014 (section 10)
    """
    x = checks.floating("x", x)
    checks.rate_below_one("rate", rate)
    if random.settled(rate, 0.0):
        return x
    p = random.probability(rate)
    wide = widen(x)
    deviation = number((p / (1 - p)) ** 0.5, wide.dtype)
    return (wide * (1 + deviation * random.normal(random.for_shard(key, axis_name), wide))).astype(x.dtype)
