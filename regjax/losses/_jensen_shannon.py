"""The Jensen-Shannon divergence of several predictions."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import compute_dtype
from regjax._src.types import Array, ArrayLike
from regjax.losses._log_probabilities import finite, log_probabilities, or_zero_without_class


def jensen_shannon(
    logits: ArrayLike | Sequence[ArrayLike],
    *,
    weights: ArrayLike | Sequence[float] | None = None,
    axis: int = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Measures how much several predictions for the same input disagree (AugMix).

    .. math::

      \sum_i w_i \, \mathrm{KL}(p_i \,\|\, \bar p) = H(\bar p) - \sum_i w_i H(p_i), \qquad \bar p = \sum_i w_i p_i

    AugMix compares the predictions for an image and two augmentations of it, and adds this with a strength of 12 to the
    cross-entropy of the image itself. Gradients flow to every prediction. Nothing is clipped: impossible
    classes (logits of -inf) are harmless, and close predictions keep their small divergence, which the formula as it
    stands would lose in rounding. A row without any valid class gives 0.

    Args:
      logits: two or more floating arrays of one shape, as a sequence or stacked along a new first axis, each with the
        classes along `axis`.
      weights: one number :math:`w_i \ge 0` for each prediction, divided by their sum; None for equal weights. No
        gradient flows to them.
      axis: the axis of the classes, counted in one prediction.
      where: boolean array, true at the valid classes, that broadcasts to one prediction; None for all.

    Returns:
      The divergence of each example, in the shape of one prediction without `axis`, in float32, or float64 for float64
      logits. It is never negative, and at most the entropy of the weights, :math:`\log n` for :math:`n` equal ones.

    Raises:
      TypeError: if a logit is not floating, `where` is not boolean, or `axis` is not an integer.
      ValueError: if there are fewer than two predictions, their shapes differ, `weights` has another length,
        or a negative number or no positive one (unless it is an array of JAX), `axis` is out of range, or `where` does
        not broadcast.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.losses.jensen_shannon([jnp.array([50.0, 0.0]), jnp.array([0.0, 50.0])])
      Array(0.693, dtype=float32)

    References:
      Hendrycks et al, `AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty
      <https://arxiv.org/abs/1912.02781>`_, 2020
    """
    arrays = checks.stacked_logits(logits)
    shape, dtype = arrays[0].shape, compute_dtype(*arrays)
    axis = checks.class_axis(axis, shape, "logits[0]")
    checks.has_classes("logits[0]", shape, axis)
    valid = None if where is None else checks.entries(where, shape, "logits[0]")
    log_p = jnp.stack([log_probabilities(z.astype(dtype), valid, axis) for z in arrays])
    w = _normalized(weights, len(arrays), dtype).reshape(-1, *(1 for _ in shape))
    divergence = jnp.sum(w * _terms(log_p, _log_mixture(log_p, w)), (0, axis + 1))
    return or_zero_without_class(divergence, valid, axis)


def _normalized(weights: ArrayLike | Sequence[float] | None, count: int, dtype: jnp.dtype) -> Array:
    if weights is None:
        return jnp.full(count, 1 / count, dtype)
    checks.weights_of(weights, count)
    w = jax.lax.stop_gradient(jnp.asarray(weights).astype(dtype))
    return w / jnp.sum(w)


def _log_mixture(log_p: Array, w: Array) -> Array:
    """Returns the logarithm of the mean probability, -inf where it is 0, with the first axis kept."""
    logs = jnp.where(w > 0, log_p, -jnp.inf)
    largest = jnp.max(jax.lax.stop_gradient(logs), 0, keepdims=True)
    possible = largest > -jnp.inf
    sums = jnp.sum(w * jnp.exp(logs - jnp.where(possible, largest, 0)), 0, keepdims=True)
    return jnp.where(possible, largest + jnp.log(jnp.where(possible, sums, 1)), -jnp.inf)


def _terms(log_p: Array, log_mixture: Array) -> Array:
    r"""Returns :math:`p \log (p / m) - p + m`, which is never negative.

    The sum over classes and predictions of what is added is 0. Close to m the terms are of second order in
    :math:`d = \log p - \log m`, and taken as :math:`p (d + e^{-d} - 1)` they have no errors of first order.
    """
    p, m = jnp.exp(log_p), jnp.exp(log_mixture)
    d = finite(log_p) - finite(log_mixture)
    close = (d > -1) & (log_p > -jnp.inf)
    near = jnp.where(close, d, 0)
    return jnp.where(close, p * (near + jnp.expm1(-near)), m - p + p * d)
