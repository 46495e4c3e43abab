"""Measures of uncertainty of a classifier from the class probabilities of several stochastic passes.

All logarithms are natural, so entropies are in nats.
"""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import widen
from regjax._src.types import Array, ArrayLike


def entropy(probabilities: Array) -> Array:
    """Returns the entropy over the last axis of probabilities in the dtype to compute in; 0 log 0 is 0."""
    # Not `> 0`: where hardware flushes subnormal numbers to zero, their logarithm is -inf.
    positive = probabilities >= jnp.finfo(probabilities.dtype).tiny
    # Negated inside the sum, which starts at 0: negated outside, the entropy of a sure prediction prints as -0.
    return jnp.sum(-probabilities * jnp.log(jnp.where(positive, probabilities, 1)), axis=-1)


def information(predictive: Array, expected: Array) -> Array:
    """Returns the difference of two entropies, which rounding must not make negative."""
    return jnp.maximum(predictive - expected, 0)


def vote(probabilities: Array) -> Array:
    """Returns 1 at the most probable class, the first of several, and 0 elsewhere, as int32."""
    # An argmax takes a CPU five times as long. Like that, this takes NaN for more than any number.
    most = (probabilities == jnp.max(probabilities, axis=-1, keepdims=True)) | jnp.isnan(probabilities)
    places = jax.lax.broadcasted_iota(jnp.int32, most.shape, most.ndim - 1)
    first = jnp.min(jnp.where(most, places, most.shape[-1]), axis=-1, keepdims=True)
    return (places == first).astype(jnp.int32)


def minority_share(votes: Array, num_samples: int, dtype: jnp.dtype) -> Array:
    """Returns the share of the votes that did not go to the most frequent class."""
    return (num_samples - jnp.max(votes, axis=-1)).astype(dtype) / num_samples


def _stacked(probabilities: ArrayLike) -> Array:
    return widen(checks.stacked_classes("probabilities", probabilities))


def predictive_entropy(probabilities: ArrayLike) -> Array:
    r"""Measures the total uncertainty: the entropy of the mean prediction.

    .. math::

      H[\bar p] = -\sum_c \bar p_c \log \bar p_c, \qquad \bar p = \frac1T \sum_t p_t

    Args:
      probabilities: floating array of shape `[num_samples, ..., classes]` that sums to 1 over the last axis.

    Returns:
      Array of shape `[...]` with values in :math:`[0, \log K]` for :math:`K` classes, in float32 (float64 for float64).

    Raises:
      TypeError: if `probabilities` is no floating array.
      ValueError: if it has fewer than two axes, or an empty first or last one.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> samples = jnp.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
      >>> regjax.uncertainty.predictive_entropy(samples)
      Array([0.693, 0.693], dtype=float32)

    References:
      Gal, `Uncertainty in Deep Learning <https://www.cs.ox.ac.uk/people/yarin.gal/website/thesis/thesis.pdf>`_, 2016
    """
    return entropy(jnp.mean(_stacked(probabilities), axis=0))


def expected_entropy(probabilities: ArrayLike) -> Array:
    r"""Measures the uncertainty that lies in the data (aleatoric): the mean entropy of the predictions.

    .. math::

      \frac1T \sum_t H[p_t] = -\frac1T \sum_t \sum_c p_{tc} \log p_{tc}

    Args:
      probabilities: floating array of shape `[num_samples, ..., classes]` that sums to 1 over the last axis.

    Returns:
      Array of shape `[...]` with values in :math:`[0, \log K]` for :math:`K` classes, in float32 (float64 for float64).

    Raises:
      TypeError: if `probabilities` is no floating array.
      ValueError: if it has fewer than two axes, or an empty first or last one.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> samples = jnp.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
      >>> regjax.uncertainty.expected_entropy(samples)
      Array([0. , 0.693], dtype=float32)

    References:
      Smith and Gal, `Understanding Measures of Uncertainty for Adversarial Example Detection
      <https://arxiv.org/abs/1803.08533>`_, 2018
    """
    return jnp.mean(entropy(_stacked(probabilities)), axis=0)


def mutual_information(probabilities: ArrayLike) -> Array:
    r"""Measures the uncertainty that lies in the model (epistemic): how much the passes disagree (BALD).

    .. math::

      I = H[\bar p] - \frac1T \sum_t H[p_t] \ge 0

    It is 0 when all passes agree, and :math:`\log K` when they are sure of different classes, all equally often.

    Args:
      probabilities: floating array of shape `[num_samples, ..., classes]` that sums to 1 over the last axis.

    Returns:
      Array of shape `[...]`, never negative, in float32 (float64 for float64).

    Raises:
      TypeError: if `probabilities` is no floating array.
      ValueError: if it has fewer than two axes, or an empty first or last one.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> samples = jnp.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
      >>> regjax.uncertainty.mutual_information(samples)
      Array([0.693, 0. ], dtype=float32)

    References:
      Houlsby et al., `Bayesian Active Learning for Classification and Preference Learning
      <https://arxiv.org/abs/1112.5745>`_, 2011
    """
    return information(predictive_entropy(probabilities), expected_entropy(probabilities))


def variation_ratio(probabilities: ArrayLike) -> Array:
    r"""Measures the share of passes that do not vote for the most frequent class.

    .. math::

      1 - \frac1T \max_c \sum_t 1\{\operatorname{argmax} p_t = c\}

    A pass votes for its most probable class, the first one of several that are equally probable. The gradient is 0.

    Args:
      probabilities: floating array of shape `[num_samples, ..., classes]`.

    Returns:
      Array of shape `[...]` with values in :math:`[0, 1 - 1/K]` for :math:`K` classes, in float32 (float64 for
      float64).

    Raises:
      TypeError: if `probabilities` is no floating array.
      ValueError: if it has fewer than two axes, or an empty first or last one.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> samples = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])
      >>> regjax.uncertainty.variation_ratio(samples)
      Array(0.25, dtype=float32)

    References:
      Freeman, Elementary Applied Statistics, 1965; Gal, `Uncertainty in Deep Learning
      <https://www.cs.ox.ac.uk/people/yarin.gal/website/thesis/thesis.pdf>`_, 2016
    """
    array = _stacked(probabilities)
    return minority_share(jnp.sum(vote(array), axis=0, dtype=jnp.int32), array.shape[0], array.dtype)
