"""The confidence penalty."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, Scalar
from regjax.losses._log_probabilities import finite, log_probabilities, or_zero_without_class


def confidence_penalty(
    logits: ArrayLike, *, threshold: Scalar | None = None, where: ArrayLike | None = None, axis: int = -1
) -> Array:
    r"""Penalizes sure predictions by their missing entropy.

    .. math::

      -H(p) = \sum_k p_k \log p_k \qquad \text{or, with a threshold,} \qquad \max(0, \Gamma - H(p)),
      \qquad p = \operatorname{softmax}(z)

    It is added to the loss with a strength of, say, 0.1. The threshold leaves alone what is unsure enough, such as
    predictions early in training. A row without any valid class gives 0.

    Args:
      logits: floating array with the classes along `axis`.
      threshold: the entropy :math:`\Gamma \ge 0` in nats from which on nothing is penalized; may be traced. None
        penalizes always.
      where: boolean array, true at the valid classes, that broadcasts to `logits`; None for all.
      axis: the axis of the classes.

    Returns:
      The penalty of each example, in the shape of `logits` without `axis`, in float32, or float64 for float64 logits:
      in :math:`[-\log K, 0]`, or with a threshold in :math:`[0, \Gamma]`.

    Raises:
      TypeError: if `logits` is not floating, `where` is not boolean, or a number is of a wrong kind.
      ValueError: if `threshold` is a negative number, `axis` is out of range, or `where` does not broadcast.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> logits = jnp.array([[9.0, 0.0], [0.0, 0.0]])
      >>> regjax.losses.confidence_penalty(logits).round(3)
      Array([-0.001, -0.693], dtype=float32)
      >>> regjax.losses.confidence_penalty(logits, threshold=0.5).round(3)
      Array([0.499, 0.   ], dtype=float32)

    References:
      Pereyra et al, `Regularizing Neural Networks by Penalizing Confident Output Distributions
      <https://arxiv.org/abs/1701.06548>`_, 2017
    """
    if threshold is not None:
        checks.bound("threshold", threshold)
    z = widen(checks.floating("logits", logits))
    axis = checks.class_axis(axis, z.shape, "logits")
    checks.has_classes("logits", z.shape, axis)
    valid = None if where is None else checks.entries(where, z.shape, "logits")
    log_p = log_probabilities(z, valid, axis)
    penalty = jnp.sum(jnp.exp(log_p) * finite(log_p), axis)
    if threshold is not None:
        penalty = jax.nn.relu(number(threshold, z.dtype) + penalty)
    return or_zero_without_class(penalty, valid, axis)
