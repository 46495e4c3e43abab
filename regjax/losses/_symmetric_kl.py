"""The symmetric Kullback-Leibler divergence of two predictions."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import compute_dtype
from regjax._src.types import Array, ArrayLike
from regjax.losses._log_probabilities import log_probabilities, or_zero_without_class


def symmetric_kl(logits_p: ArrayLike, logits_q: ArrayLike, *, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Measures how much two predictions for the same input disagree (R-Drop).

    .. math::

      \tfrac12 \left( \mathrm{KL}(p \,\|\, q) + \mathrm{KL}(q \,\|\, p) \right)
      = \tfrac12 \sum_k (p_k - q_k) (\log p_k - \log q_k)

    R-Drop runs a batch twice with different dropout and adds this, times a strength, to the loss of both passes.
    Gradients flow to both arguments. The sum on the right has no negative terms, so rounding never makes it negative. A
    class that only one of the two makes impossible by a logit of -inf gives +inf, and no gradient to speak of: mask it
    by `where`. One that both do counts nothing. A row without any valid class gives 0.

    Args:
      logits_p: floating array with the classes along `axis`.
      logits_q: floating array in the shape of `logits_p`.
      axis: the axis of the classes.
      where: boolean array, true at the valid classes, that broadcasts to `logits_p`; None for all.

    Returns:
      The divergence of each example, in the shape of `logits_p` without `axis`, in float32, or float64 for float64
      logits.

    Raises:
      TypeError: if a logit is not floating, `where` is not boolean, or `axis` is not an integer.
      ValueError: if the shapes differ, `axis` is out of range, or `where` does not broadcast.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.losses.symmetric_kl(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))
      Array(0.462, dtype=float32)

    References:
      Liang et al, `R-Drop: Regularized Dropout for Neural Networks <https://arxiv.org/abs/2106.14448>`_, 2021
    """
    p, q = checks.floating("logits_p", logits_p), checks.floating("logits_q", logits_q)
    checks.same_shape("logits_q", q.shape, "logits_p", p.shape)
    axis = checks.class_axis(axis, p.shape, "logits_p")
    checks.has_classes("logits_p", p.shape, axis)
    valid = None if where is None else checks.entries(where, p.shape, "logits_p")
    dtype = compute_dtype(p, q)
    log_p, log_q = (log_probabilities(z.astype(dtype), valid, axis) for z in (p, q))
    impossible = (log_p == -jnp.inf) & (log_q == -jnp.inf)
    difference = jnp.where(impossible, 0, log_p) - jnp.where(impossible, 0, log_q)
    divergence = jnp.sum((jnp.exp(log_p) - jnp.exp(log_q)) * difference, axis) / 2
    return or_zero_without_class(divergence, valid, axis)
