"""Monte Carlo prediction of numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.explicit import zeros_like
from regjax._src.numerics import widen
from regjax._src.types import Array, Key, PyTree
from regjax.uncertainty._passes import Chunk, check_arguments, fold_passes
from regjax.uncertainty._shared import trace


class Regression(NamedTuple):
    """A prediction of numbers and how uncertain it is.

    Attributes:
      mean: the mean of the passes.
      variance: their population variance, the uncertainty that lies in the model.
    """

    mean: PyTree
    variance: PyTree


class _Moments(NamedTuple):
    """What is known of the samples so far, all counted from `reference`, the first of them."""

    reference: Array
    mean: Array
    sum_of_squares: Array


def _merge(moments: _Moments, values: Array, chunk: Chunk) -> _Moments:
    # Counted from a sample, large numbers that are alike are small, and what is added to their mean is not rounded off.
    reference = jnp.where(chunk.before == 0, jax.lax.stop_gradient(values[0]), moments.reference)
    before, total = chunk.before.astype(values.dtype), chunk.total.astype(values.dtype)
    count = total - before
    deviation = values - reference[None] - moments.mean[None]
    shift = chunk.sum(deviation) / count
    within = chunk.sum(jnp.square(deviation - shift[None]))
    between = jnp.square(shift) * (before * (count / total))
    return _Moments(
        reference=reference,
        mean=moments.mean + shift * (count / total),
        sum_of_squares=moments.sum_of_squares + within + between,
    )


def mc_regress(
    fn: Callable[..., PyTree],
    key: Key,
    *args: Any,
    num_samples: int,
    batch_size: int | None = None,
) -> Regression:
    r"""Predicts numbers by the mean of stochastic passes and measures how uncertain the prediction is.

    .. math::

      \bar y = \frac1T \sum_t y_t, \qquad s^2 = \frac1T \sum_t (y_t - \bar y)^2, \qquad y_t = f(k_t, x)

    The variance is that of the population, with :math:`T` and not :math:`T - 1` in the denominator; a single pass has
    variance 0. It holds the uncertainty of the model only: the noise of the data is to be added. A model that predicts
    that noise may return both, for example `{"y": ..., "noise_variance": ...}`; the total variance is then
    `variance["y"] + mean["noise_variance"]`.

    The moments of the passes are merged as they come, stably in float32 (mean 2000, deviation 0.1), so memory depends
    on `batch_size` and not on `num_samples`; what they share is computed once, see :func:`mc_samples`. In
    reverse mode the rest of every pass is computed again, and no more than its output is kept. Where `batch_size` does
    not divide `num_samples`, the last batch is filled up with passes that are thrown away. The keys are those of
    :func:`mc_samples`. Call it inside `jax.jit` where it is called more than once: outside, every call compiles anew.

    Args:
      fn: one stochastic pass, `fn(key, *args)`, which returns a floating array, or a tree of them; with Flax,
        `functools.partial` of :func:`regjax.linen.mc_apply` or :func:`regjax.nnx.mc_call`.
      key: a PRNG key.
      *args: passed to `fn`, the same in every pass; they need not be arrays.
      num_samples: the number :math:`T` of passes.
      batch_size: how many passes are computed at a time, by `jax.vmap`; None means one at a time, without `vmap`. See
        :func:`mc_samples` on rbg keys.

    Returns:
      A NamedTuple `(mean, variance)`, each with the structure and shapes of what `fn` returns, in float32 (float64 for
      float64).

    Raises:
      TypeError: if `key` is no PRNG key, a number is no Python integer, or a leaf of the result of `fn` is no floating
        array.
      ValueError: if `num_samples` or `batch_size` is smaller than 1.

    Examples:
      >>> import jax
      >>> import regjax
      >>> def noisy(key, x):
      ...     return x + 0.1 * jax.random.normal(key, x.shape)
      >>> x = jax.numpy.array([2000.0])
      >>> result = regjax.uncertainty.mc_regress(noisy, jax.random.key(0), x, num_samples=1000, batch_size=100)
      >>> result.mean.round(1), result.variance.round(2)
      (Array([2000.], dtype=float32), Array([0.01], dtype=float32))

    References:
      Gal and Ghahramani, `Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning
      <https://arxiv.org/abs/1506.02142>`_, 2016; Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm
      for Computing Sample Variances, 1979
    """
    num_samples, size = check_arguments(fn, key, num_samples, batch_size)

    def one_pass(sample_key: Key) -> PyTree:
        return jax.tree.map(lambda leaf: widen(checks.floating("fn(key, *args)", leaf)), fn(sample_key, *args))

    def step(moments: list[_Moments], chunk: Chunk) -> list[_Moments]:
        leaves = jax.tree.leaves(chunk.samples)
        return [_merge(m, values, chunk) for m, values in zip(moments, leaves, strict=True)]

    traced = trace(one_pass, key)
    shapes, structure = jax.tree.flatten(traced.shapes)
    initial = [_Moments(*[zeros_like(leaf)] * 3) for leaf in shapes]
    moments = fold_passes(traced, step, initial, key, num_samples=num_samples, size=size)
    return Regression(
        mean=structure.unflatten([m.reference + m.mean for m in moments]),
        variance=structure.unflatten([m.sum_of_squares / num_samples for m in moments]),
    )
