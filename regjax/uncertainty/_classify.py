"""Monte Carlo prediction of classes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from regjax._src import checks
from regjax._src.explicit import zeros_like
from regjax._src.numerics import widen
from regjax._src.types import Array, Key
from regjax.uncertainty._measures import entropy, information, minority_share, vote
from regjax.uncertainty._passes import Chunk, check_arguments, fold_passes
from regjax.uncertainty._shared import trace


class Classification(NamedTuple):
    """A prediction of classes and how uncertain it is.

    Attributes:
      probabilities: the mean probabilities, of shape `[..., classes]`.
      predictive_entropy: their entropy, the total uncertainty, of shape `[...]`.
      expected_entropy: the mean entropy of the passes, the uncertainty that lies in the data.
      mutual_information: the difference of the two, the uncertainty that lies in the model; never negative.
      variation_ratio: the share of passes that do not vote for the most frequent class.
    """

    probabilities: Array
    predictive_entropy: Array
    expected_entropy: Array
    mutual_information: Array
    variation_ratio: Array


class _Summary(NamedTuple):
    """Of one pass, and of all so far: the means of the first two, and the sum of the votes."""

    probabilities: Array
    entropy: Array
    votes: Array


def _update(summary: _Summary, chunk: Chunk) -> _Summary:
    def mean(before: Array, values: Array) -> Array:
        # What is added shrinks as the mean settles: a sum would lose digits, and equal samples not be their own mean.
        return before + chunk.sum(values - before[None]) / chunk.total.astype(before.dtype)

    return _Summary(
        probabilities=mean(summary.probabilities, chunk.samples.probabilities),
        entropy=mean(summary.entropy, chunk.samples.entropy),
        votes=summary.votes + chunk.sum(chunk.samples.votes),
    )


def mc_classify(
    fn: Callable[..., Array],
    key: Key,
    *args: Any,
    num_samples: int,
    batch_size: int | None = None,
    from_logits: bool = True,
) -> Classification:
    r"""Predicts classes by the mean of stochastic passes and measures how uncertain the prediction is.

    .. math::

      \bar p = \frac1T \sum_t p_t, \qquad
      \underbrace{H[\bar p]}_\text{predictive entropy} =
      \underbrace{\frac1T \sum_t H[p_t]}_\text{expected entropy} + \underbrace{I}_\text{mutual information}, \qquad
      p_t = \operatorname{softmax} f(k_t, x)

    The passes are accumulated as they come, so memory depends on `batch_size` and not on `num_samples`; what
    they share is computed once, see :func:`mc_samples`. In reverse mode the rest of every pass is computed again, and
    no more than its output is kept. Where `batch_size` does not divide `num_samples`, the last batch is filled up with
    passes that are thrown away. The keys are those of
    :func:`mc_samples`. Call it inside `jax.jit` where it is called more than once: outside, every call compiles anew.

    Args:
      fn: one stochastic pass, `fn(key, *args)`, which returns floating logits of shape `[..., classes]`; with Flax,
        `functools.partial` of :func:`regjax.linen.mc_apply` or :func:`regjax.nnx.mc_call`.
      key: a PRNG key.
      *args: passed to `fn`, the same in every pass; they need not be arrays.
      num_samples: the number :math:`T` of passes.
      batch_size: how many passes are computed at a time, by `jax.vmap`; None means one at a time, without `vmap`. See
        :func:`mc_samples` on rbg keys.
      from_logits: whether `fn` returns logits; otherwise it returns probabilities. A logit may be -inf.

    Returns:
      A NamedTuple `(probabilities, predictive_entropy, expected_entropy, mutual_information, variation_ratio)` of
      arrays in float32 (float64 for float64), the first of shape `[..., classes]`, the others `[...]`; entropies are in
      nats. The measures are those of :func:`predictive_entropy`, :func:`expected_entropy`, :func:`mutual_information`
      and :func:`variation_ratio`.

    Raises:
      TypeError: if `key` is no PRNG key, a number is no Python integer, or `fn` does not return one floating array.
      ValueError: if `num_samples` or `batch_size` is smaller than 1, or `fn` returns an array without axis.

    Examples:
      >>> import jax
      >>> import regjax
      >>> def noisy_logits(key, x):
      ...     return x + jax.random.normal(key, x.shape)
      >>> x = jax.numpy.array([[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> result = regjax.uncertainty.mc_classify(noisy_logits, jax.random.key(0), x, num_samples=100, batch_size=25)
      >>> bool(result.mutual_information[0] < result.mutual_information[1])
      True

    References:
      Gal and Ghahramani, `Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning
      <https://arxiv.org/abs/1506.02142>`_, 2016
    """
    checks.flag("from_logits", from_logits)
    num_samples, size = check_arguments(fn, key, num_samples, batch_size)

    def one_pass(sample_key: Key) -> _Summary:
        output = widen(checks.classes("fn(key, *args)", fn(sample_key, *args)))
        probabilities = jax.nn.softmax(output, axis=-1) if from_logits else output
        return _Summary(probabilities, entropy(probabilities), vote(probabilities))

    traced = trace(one_pass, key)
    initial = jax.tree.map(zeros_like, traced.shapes)
    summary = fold_passes(traced, _update, initial, key, num_samples=num_samples, size=size)
    predictive = entropy(summary.probabilities)
    return Classification(
        probabilities=summary.probabilities,
        predictive_entropy=predictive,
        expected_entropy=summary.entropy,
        mutual_information=information(predictive, summary.entropy),
        variation_ratio=minority_share(summary.votes, num_samples, predictive.dtype),
    )
