"""Label noise (DisturbLabel)."""

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.explicit import automatic
from regjax._src.types import Array, ArrayLike, Key, Scalar


def label_noise(key: Key, labels: ArrayLike, rate: Scalar, *, num_classes: int) -> Array:
    r"""Replaces labels at random by labels drawn from all classes (DisturbLabel).

    .. math::

      \tilde y = \begin{cases} y & \text{with probability } 1 - p \\ \text{uniform on } 0, \dots, K - 1 &
      \text{with probability } p \end{cases}

    A label that is drawn anew may be what it was, so a share :math:`p (K - 1) / K` of the labels changes. The mean of
    the cross-entropy over this noise is the cross-entropy with label smoothing :math:`p`. Negative labels, which stand
    for missing ones, stay. With :math:`p = 0` the result is `labels`.

    Args:
      key: a PRNG key; a rate of 0 that is a Python number does not look at it.
      labels: integer array of any shape.
      rate: probability :math:`p` of drawing a label anew, in [0, 1]; may be traced.
      num_classes: the number :math:`K` of classes.

    Returns:
      An array with the shape and dtype of `labels`.

    Raises:
      TypeError: if `labels` is not integer, or `rate`, `key` or `num_classes` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], `num_classes` is less than 1 or more than the dtype of the
        labels can count, or a label that is no array of JAX is beyond the classes.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> noisy = regjax.losses.label_noise(jax.random.key(0), jnp.zeros(100_000, int), 0.2, num_classes=10)
      >>> round(float((noisy != 0).mean()), 2)
      0.18

    References:
      Xie et al, `DisturbLabel: Regularizing CNN on the Loss Layer <https://arxiv.org/abs/1605.00055>`_, 2016
    """
    y = checks.integer_labels(labels)
    checks.rate("rate", rate)
    size = checks.at_least("num_classes", num_classes, 1)
    checks.num_classes_fits(size, y.dtype)
    checks.labels_below(labels, size)
    if random.settled(rate, 0.0):
        return y
    coin_key, label_key = random.split(key, 2)
    keep = random.keep_mask(coin_key, 1 - random.probability(rate), y.shape)
    drawn = jax.random.randint(label_key, y.shape, 0, size, jnp.int32).astype(y.dtype)
    return automatic(lambda y, keep, drawn: jnp.where(keep | (y < 0), y, drawn), y, keep, drawn)
