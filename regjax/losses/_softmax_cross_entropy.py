"""Cross-entropy with label smoothing."""

import functools

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.explicit import automatic
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, Scalar
from regjax.losses._log_probabilities import log_normalizer, or_zero_without_class, shift, some, weighted
from regjax.losses._smooth_labels import smooth


def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    label_smoothing: Scalar = 0.0,
    where: ArrayLike | None = None,
    axis: int = -1,
) -> Array:
    r"""Measures how far the predicted classes are from the labels, which may be smoothed.

    .. math::

      -\sum_k q_k \log p_k = \log \sum_k e^{z_k} - (1 - \alpha) z_y - \frac{\alpha}{K} \sum_k z_k,
      \qquad p = \operatorname{softmax}(z), \quad q_k = (1 - \alpha) \, 1\{k = y\} + \frac{\alpha}{K}

    Integer labels are looked up, so nothing of the size of one-hot labels is made. Soft labels are smoothed as by
    :func:`smooth_labels`. With smoothing the smallest possible loss is not 0 but the entropy of :math:`q`.

    With `where`, masked classes have probability 0 and no share in the smoothing, whatever their logits are: :math:`K`
    counts the valid classes of the row. A row is ignored, which makes its loss and its gradient exactly 0, if its label
    is a negative integer or no class is valid. A label that is itself masked contradicts the mask: its loss is +inf, so
    that the mistake shows, and its gradient 0. Soft labels with only a part on masked classes keep the proportions of
    the rest. To ignore masked labels instead, replace them by -1.

    A logit of -inf is right for a class that is impossible but valid; with smoothing such a class makes the loss +inf,
    as the formula says, so mask it by `where`.

    The mean over the labelled examples is `losses.sum() / (labels >= 0).sum()`.

    Args:
      logits: floating array with the classes along `axis`.
      labels: integers in the shape of `logits` without `axis`, or probabilities in the shape of `logits`. A traced
        integer beyond the classes makes the loss NaN.
      label_smoothing: the share :math:`\alpha` of the label that goes to all classes, in [0, 1]; may be traced.
      where: boolean array, true at the valid classes, that broadcasts to `logits`; None for all.
      axis: the axis of the classes.

    Returns:
      The loss of each example, in the shape of `logits` without `axis`, in float32, or float64 for float64 logits.

    Raises:
      TypeError: if `logits` is not floating, `labels` is neither integer nor floating, `where` is not boolean, or a
        number is of a wrong kind.
      ValueError: if `label_smoothing` is a number outside [0, 1], `axis` is out of range, the shape of `labels` does
        not fit, `where` does not broadcast, or an integer label that is no array of JAX is beyond the classes.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> logits = jnp.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
      >>> regjax.losses.softmax_cross_entropy(logits, jnp.array([0, -1]), label_smoothing=0.1)
      Array([0.337, 0. ], dtype=float32)

    References:
      Szegedy et al, `Rethinking the Inception Architecture for Computer Vision <https://arxiv.org/abs/1512.00567>`_,
      2016, section 7
    """
    checks.rate("label_smoothing", label_smoothing)
    z, y = widen(checks.floating("logits", logits)), checks.class_labels(labels)
    axis = checks.class_axis(axis, z.shape, "logits")
    checks.has_classes("logits", z.shape, axis)
    checks.labels_fit(y, z.shape, axis)
    valid = None if where is None else checks.entries(where, z.shape, "logits")
    if jnp.issubdtype(y.dtype, jnp.floating):
        return _from_soft(z, y.astype(z.dtype), number(label_smoothing, z.dtype), valid, axis)
    checks.labels_below(labels, z.shape[axis])
    return _from_integers(z, jnp.expand_dims(y.astype(jnp.int32), axis), label_smoothing, valid, axis)


def _from_integers(z: Array, y: Array, label_smoothing: Scalar, valid: Array | None, axis: int) -> Array:
    counts = y >= 0
    looked_up = jnp.where(counts, y, 0)
    look_up = functools.partial(automatic, functools.partial(jnp.take_along_axis, axis=axis), over=(axis,))
    possible = counts if valid is None else counts & look_up(valid, looked_up)
    shifted, largest = shift(z, valid, axis, counts)
    log_sum = log_normalizer(shifted, axis)
    # Looked up in the logits themselves, so that a compiler need not keep the shifted ones in memory.
    loss = log_sum - jnp.where(possible, look_up(z, looked_up) - largest, 0)
    if not random.settled(label_smoothing, 0.0):
        alpha = number(label_smoothing, z.dtype)
        loss = weighted(1 - alpha, loss) + weighted(alpha, log_sum - _mean(shifted, valid, axis))
    if valid is not None:
        loss = jnp.where(possible, loss, jnp.inf)
        counts &= some(valid, axis)
    return jnp.squeeze(jnp.where(counts, loss, 0), axis)


def _mean(shifted: Array, valid: Array | None, axis: int) -> Array:
    if valid is None:
        return jnp.mean(shifted, axis, keepdims=True)
    count = jnp.sum(valid, axis, keepdims=True, dtype=jnp.int32)
    total = jnp.sum(jnp.where(valid, shifted, 0), axis, keepdims=True)
    return total / jnp.maximum(count, 1).astype(shifted.dtype)


def _from_soft(z: Array, y: Array, alpha: Array, valid: Array | None, axis: int) -> Array:
    smoothed, lost = smooth(y, alpha, valid, axis)
    shifted, _ = shift(z, valid, axis)
    loss = jnp.sum(weighted(smoothed, log_normalizer(shifted, axis) - shifted), axis)
    if lost is not None:
        loss = jnp.where(jnp.squeeze(lost, axis), jnp.inf, loss)
    return or_zero_without_class(loss, valid, axis)
