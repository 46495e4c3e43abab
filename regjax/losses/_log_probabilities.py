"""Logarithms of probabilities that stay finite where they count."""

import jax
import jax.numpy as jnp

from regjax._src.types import Array


def shift(logits: Array, valid: Array | None, axis: int, counts: Array | None = None) -> tuple[Array, Array]:
    """Returns the logits less the largest of each row, and the largest with the axis kept.

    The difference changes no probability and keeps sums of exponentials in range.

    Masked classes become -inf whatever they held. A row without a valid class, or one that does not count, becomes
    zeros, so that its loss is finite and can be replaced without a NaN in the derivatives.

    Args:
      logits: array in the dtype to compute in.
      valid: the classes that exist, in the shape of the logits; None for all.
      axis: the non-negative axis of the classes.
      counts: the rows that count, with the axis of the classes kept; None for all.
    """
    if valid is not None:
        logits = jnp.where(valid, logits, -jnp.inf)
        counts = some(valid, axis) if counts is None else counts & some(valid, axis)
    if counts is not None:
        logits = jnp.where(counts, logits, 0)
    largest = jnp.max(jax.lax.stop_gradient(logits), axis, keepdims=True)
    largest = jnp.where(jnp.isfinite(largest), largest, 0)
    return logits - largest, largest


def some(valid: Array, axis: int) -> Array:
    """Tells the rows with at least one valid class, with the axis kept."""
    return jnp.any(valid, axis, keepdims=True)


def log_normalizer(shifted: Array, axis: int) -> Array:
    """Returns the logarithm of the sum of the exponentials, with the axis kept."""
    return jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))


def log_probabilities(logits: Array, valid: Array | None, axis: int) -> Array:
    """Returns the log-softmax over the valid classes, -inf at the others; zeros stand for the logits of no class."""
    shifted, _ = shift(logits, valid, axis)
    return shifted - log_normalizer(shifted, axis)


def or_zero_without_class(loss: Array, valid: Array | None, axis: int) -> Array:
    """Returns the loss of each row, and 0 where no class is valid."""
    return loss if valid is None else jnp.where(jnp.any(valid, axis), loss, 0)


def finite(log: Array) -> Array:
    """Replaces -inf by 0, for products with a probability that is 0 there; NaN stays."""
    return jnp.where(log == -jnp.inf, 0, log)


def weighted(weight: Array, cost: Array) -> Array:
    """Multiplies by a probability, with 0 * inf = 0 in value and derivatives."""
    return weight * jnp.where((weight == 0) & (cost == jnp.inf), 0, cost)
