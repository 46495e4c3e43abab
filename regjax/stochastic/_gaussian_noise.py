"""Gaussian noise that is added."""

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar


def gaussian_noise(key: Key, x: ArrayLike, stddev: Scalar, *, axis_name: AxisName = None) -> Array:
    r"""Adds Gaussian noise.

    .. math::

      y_i = x_i + \sigma \, \varepsilon_i, \qquad \varepsilon_i \sim \mathcal{N}(0, 1)

    The result is differentiable in :math:`\sigma`, so that the amount of noise can be learned.

    Args:
      key: a PRNG key; a `stddev` of 0 that is a Python number does not look at it.
      x: floating array of any shape.
      stddev: standard deviation :math:`\sigma`, finite and >= 0; may be traced.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same noise on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, equal to `x` in expectation. The noise is drawn in float32, or float64
      for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or `stddev` or `key` is of a wrong kind.
      ValueError: if `stddev` is a number that is negative or not finite.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> y = regjax.stochastic.gaussian_noise(jax.random.key(0), jnp.ones(10_000), 0.5)
      >>> round(float(y.mean()), 1), round(float(y.std()), 2)
      (1.0, 0.5)

    References:
      Bishop, `Training with Noise is Equivalent to Tikhonov Regularization
      <https://doi.org/10.1162/neco.1995.7.1.108>`_, 1995
    """
    x = checks.floating("x", x)
    checks.strength("stddev", stddev)
    if random.settled(stddev, 0.0):
        return x
    return random.add_normal(random.for_shard(key, axis_name), x, stddev)
