"""Cross-entropy of independent yes-or-no labels, with label smoothing."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, Scalar
from regjax.losses._log_probabilities import weighted


def sigmoid_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, *, label_smoothing: Scalar = 0.0, where: ArrayLike | None = None
) -> Array:
    r"""Measures how far independent predictions are from labels between 0 and 1, which may be smoothed.

    .. math::

      -q \log \sigma(z) - (1 - q) \log (1 - \sigma(z)), \qquad q = (1 - \alpha) \, y + \frac{\alpha}{2}

    An entry is ignored, which makes its loss and its gradient exactly 0, if its label is negative or `where` is false;
    its logit, and under `where` its label, may then be anything. With smoothing an infinite logit makes the loss +inf,
    as the formula says.

    Args:
      logits: floating array of any shape.
      labels: probabilities, zeros and ones, or booleans in the shape of `logits`; a negative one is a missing label. A
        traced integer above 1 makes the loss NaN.
      label_smoothing: the share :math:`\alpha` of the label that goes to both answers, in [0, 1]; may be traced.
      where: boolean array, true at the entries that count, that broadcasts to `logits`; None for all.

    Returns:
      The loss of each entry in the shape of `logits`, in float32, or float64 for float64 logits.

    Raises:
      TypeError: if `logits` is not floating, `labels` is not made of real numbers or booleans, `where` is not boolean,
        or `label_smoothing` is not a number.
      ValueError: if `label_smoothing` is a number outside [0, 1], the shapes do not fit, or an integer label that is no
        array of JAX is above 1.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> logits = jnp.array([2.0, 2.0, 2.0])
      >>> regjax.losses.sigmoid_cross_entropy(logits, jnp.array([1, 0, -1]), label_smoothing=0.1).tolist()
      [0.227, 2.027, 0.0]

    References:
      Szegedy et al, `Rethinking the Inception Architecture for Computer Vision <https://arxiv.org/abs/1512.00567>`_,
      2016, section 7, with two classes
    """
    checks.rate("label_smoothing", label_smoothing)
    z, y = widen(checks.floating("logits", logits)), checks.binary_labels(labels)
    checks.same_shape("labels", y.shape, "logits", z.shape)
    if jnp.issubdtype(y.dtype, jnp.integer):
        checks.labels_below(labels, 2)
        y = jnp.where(y > 1, jnp.nan, y.astype(z.dtype))
    y, alpha = y.astype(z.dtype), number(label_smoothing, z.dtype)
    # Not `y >= 0`, which would pass over a NaN.
    counts = ~(y < 0)
    if where is not None:
        counts &= checks.entries(where, z.shape, "logits")
    z, y = jnp.where(counts, z, 0), jnp.where(counts, y, 0)
    q = (1 - alpha) * y + alpha / 2
    return jnp.where(counts, weighted(q, jax.nn.softplus(-z)) + weighted(1 - q, jax.nn.softplus(z)), 0)
