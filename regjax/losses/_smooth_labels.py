"""Label smoothing."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, Scalar


def smooth_labels(
    labels: ArrayLike,
    alpha: Scalar,
    *,
    num_classes: int | None = None,
    axis: int = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Moves a share of each label to all classes evenly.

    .. math::

      q_k = (1 - \alpha) \, y_k + \frac{\alpha}{K} \sum_j y_j

    For a row that sums to 1 this is the usual :math:`(1 - \alpha) y_k + \alpha / K`; any other row keeps its sum, and a
    row of zeros, which stands for a missing label, stays zero.

    With `where`, :math:`K` counts the valid classes of the row and masked classes get nothing: what soft labels hold
    there goes to the valid classes in proportion to what these hold. Where nothing is left in proportion to which to
    share, because the label itself is masked, there is no answer and the row is NaN. A row without any valid class is
    zero.

    Args:
      labels: integers of shape `[...]`, or probabilities in a floating array with the classes along `axis`, such as
        one-hot or mixed labels. A negative integer is a missing label; a traced integer that is no class gives NaN.
      alpha: the share :math:`\alpha` that is spread, in [0, 1]; may be traced.
      num_classes: the number of classes, required for integer labels.
      axis: the axis of the classes in the result.
      where: boolean array, true at the valid classes, that broadcasts to the result; None for all.

    Returns:
      An array with the classes along `axis`, in float32, or float64 for float64 labels.

    Raises:
      TypeError: if `labels` is neither integer nor floating, `where` is not boolean, or a number is of a wrong kind.
      ValueError: if `alpha` is a number outside [0, 1], `num_classes` is missing or contradicts the labels, an integer
        label that is no array of JAX is beyond the classes, `axis` is out of range, or `where` does not broadcast.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.losses.smooth_labels(jnp.array([2, 0]), 0.5, num_classes=4)
      Array([[0.125, 0.125, 0.625, 0.125],
             [0.625, 0.125, 0.125, 0.125]], dtype=float32)
      >>> regjax.losses.smooth_labels(jnp.array([1.0, 0.0, 0.0]), 0.1, where=jnp.array([True, True, False]))
      Array([0.95, 0.05, 0. ], dtype=float32)

    References:
      Szegedy et al, `Rethinking the Inception Architecture for Computer Vision <https://arxiv.org/abs/1512.00567>`_,
      2016, section 7
    """
    checks.rate("alpha", alpha)
    soft, axis = _soft_labels(labels, num_classes, axis)
    valid = None if where is None else checks.entries(where, soft.shape, "labels")
    smoothed, lost = smooth(soft, number(alpha, soft.dtype), valid, axis)
    return smoothed if lost is None else jnp.where(lost, jnp.nan, smoothed)


def smooth(soft: Array, alpha: Array, valid: Array | None, axis: int) -> tuple[Array, Array | None]:
    """Returns smoothed labels, and with a mask the rows, axis kept, whose label is masked; those are zero."""
    total = jnp.sum(soft, axis, keepdims=True)
    if valid is None:
        return (1 - alpha) * soft + alpha * total / soft.shape[axis], None
    kept = jnp.where(valid, soft, 0)
    rest = jnp.sum(kept, axis, keepdims=True)
    count = jnp.sum(valid, axis, keepdims=True, dtype=jnp.int32)
    lost = (rest == 0) & (total != 0) & (count > 0)
    share = jnp.where(rest == 0, 0, total / jnp.where(rest == 0, 1, rest))
    spread = jnp.where(rest == 0, 0, total) / jnp.maximum(count, 1).astype(soft.dtype)
    return jnp.where(valid, (1 - alpha) * share * kept + alpha * spread, 0), lost


def _soft_labels(labels: ArrayLike, num_classes: int | None, axis: int) -> tuple[Array, int]:
    array = checks.class_labels(labels)
    if jnp.issubdtype(array.dtype, jnp.floating):
        axis = checks.class_axis(axis, array.shape, "labels")
        checks.has_classes("labels", array.shape, axis)
        checks.num_classes_agrees(num_classes, array.shape[axis])
        return widen(array), axis
    checks.num_classes_given(num_classes)
    size = checks.at_least("num_classes", num_classes, 1)
    checks.labels_below(labels, size)
    axis = checks.class_axis(axis, (*array.shape, size), "labels")
    indices = array.astype(jnp.int32)
    one_hot = jax.nn.one_hot(indices, size, dtype=jnp.float32, axis=axis)
    return jnp.where(jnp.expand_dims(indices, axis) < size, one_hot, jnp.nan), axis
