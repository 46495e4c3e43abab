"""Gaussian noise on a batch."""

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import number
from regjax._src.types import Array, ArrayLike, Key, Scalar


def gaussian_noise(key: Key, x: ArrayLike, stddev: Scalar, *, clip: tuple[Scalar, Scalar] | None = None) -> Array:
    r"""Adds Gaussian noise to every example.

    .. math::

      y_i = x_i + \sigma_i \, \varepsilon_i, \qquad \varepsilon_i \sim \mathcal{N}(0, I)

    With one :math:`\sigma` for all it is :func:`regjax.stochastic.gaussian_noise`; here each example may have its own,
    such as a random one, and the result can be kept in the range of an image.

    Args:
      key: a PRNG key; a `stddev` of 0 that is a Python number does not look at it.
      x: floating array ``[batch, ...]``.
      stddev: standard deviation :math:`\sigma`, finite and >= 0, or an array ``[batch]`` of them; may be traced.
      clip: the least and the largest value of the result; may be traced.

    Returns:
      An array with the shape and dtype of `x`. The noise is drawn in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or an argument is of a wrong kind.
      ValueError: if `stddev` has a number that is negative or not finite or has a wrong shape, or `clip` is not a pair
        in order.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x = jnp.full((2, 10_000), 0.5)
      >>> y = regjax.augment.gaussian_noise(jax.random.key(0), x, jnp.array([0.1, 0.2]), clip=(0.0, 1.0))
      >>> [round(float(s), 1) for s in y.std(axis=1)]
      [0.1, 0.2]

    References:
      Bishop, `Training with Noise is Equivalent to Tikhonov Regularization
      <https://doi.org/10.1162/neco.1995.7.1.108>`_, 1995
    """
    x = checks.floating("x", x)
    checks.leading_axis("x", x.shape)
    checks.strengths("stddev", stddev)
    if jnp.ndim(stddev):
        stddev = jnp.expand_dims(checks.examples("stddev", stddev, x.shape[0]), tuple(range(1, x.ndim)))
    noisy = random.add_normal(key, x, stddev)
    if clip is None:
        return noisy
    checks.interval("clip", clip)
    low, high = (number(end, x.dtype) for end in clip)
    return jnp.clip(noisy, low, high)
