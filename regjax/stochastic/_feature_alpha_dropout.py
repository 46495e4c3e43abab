"""Feature-alpha dropout: alpha dropout of whole channels."""

from regjax._src import checks
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar
from regjax.stochastic._alpha_dropout import alpha_dropout


def feature_alpha_dropout(key: Key, x: ArrayLike, rate: Scalar, *, axis_name: AxisName = None) -> Array:
    r"""Drops whole channels to the negative saturation of SELU and keeps mean 0 and variance 1.

    .. math::

      y_{ijc} = \begin{cases} a x_{ijc} + b & \text{with probability } 1 - p \\
      a \alpha' + b & \text{with probability } p \end{cases}
      \qquad \text{one draw for each example } i \text{ and channel } c \text{, for all positions } j

    with the constants of :func:`regjax.stochastic.alpha_dropout`, which this is with one bit for all of space.
    Neighboring entries of a feature map say much the same, so dropping single ones would take little away.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      x: floating array ``[batch, *spatial, channels]``, the output of a SELU.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same mask on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, computed in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], or `x` has fewer than two axes.

    Examples:
      >>> import jax
      >>> import regjax
      >>> x_key, key = jax.random.split(jax.random.key(0))
      >>> x = jax.random.normal(x_key, (100, 8, 8, 30))
      >>> y = regjax.stochastic.feature_alpha_dropout(key, x, 0.3)
      >>> abs(round(float(y.mean()), 1)), round(float(y.var()), 1)
      (0.0, 1.0)

    References:
      Klambauer et al, `Self-Normalizing Neural Networks <https://arxiv.org/abs/1706.02515>`_, 2017

      Tompson et al, `Efficient Object Localization Using Convolutional Networks
      <https://arxiv.org/abs/1411.4280>`_, 2015 (whole channels)
    """
    x = checks.floating("x", x)
    spatial = checks.spatial_axes("x", x.shape)
    return alpha_dropout(key, x, rate, broadcast_dims=spatial, axis_name=axis_name)
