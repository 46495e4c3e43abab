"""Embedding dropout: whole words of a vocabulary are lost."""

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar
from regjax.stochastic._dropout import dropout


def embedding_dropout(key: Key, embedding: ArrayLike, rate: Scalar, *, axis_name: AxisName = None) -> Array:
    r"""Drops rows of an embedding table at random and scales up the others.

    .. math::

      \tilde E_v = \begin{cases} E_v / (1 - p) & \text{with probability } 1 - p \\ 0 & \text{with probability } p
      \end{cases}

    for every word :math:`v` of the vocabulary. A word is lost wherever it occurs in the batch, where dropout on what
    was looked up would lose some of its occurrences and single features.

    It is :func:`regjax.stochastic.dropout` with one bit for each row. For large tables use
    :class:`regjax.linen.EmbeddingDropout` or :class:`regjax.nnx.EmbeddingDropout`, which give the same numbers (to
    rounding, where they look up in another dtype than that of the table) without touching the other rows.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      embedding: floating array ``[vocabulary, features]``.
      rate: probability :math:`p` of dropping a word, in [0, 1]; may be traced.
      axis_name: under `shard_map`, the names of mesh axes, one or a tuple, along which each shard draws for itself, be
        it for its part of the vocabulary or for its part of the batch: the same key means the same mask on every one.
        Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `embedding`, equal to it in expectation where the rate is below 1.

    Raises:
      TypeError: if `embedding` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], or `embedding` has no rows to draw for.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> table, words = jnp.ones((5, 3)), jnp.array([[0, 1, 0], [4, 0, 2]])
      >>> y = regjax.stochastic.embedding_dropout(jax.random.key(0), table, 0.4)[words]
      >>> bool((y[0, 0] == y[0, 2]).all() and (y[0, 0] == y[1, 1]).all())
      True

    References:
      Gal and Ghahramani, `A Theoretically Grounded Application of Dropout in Recurrent Neural Networks
      <https://arxiv.org/abs/1512.05287>`_, 2016

      Merity et al, `Regularizing and Optimizing LSTM Language Models <https://arxiv.org/abs/1708.02182>`_, 2017
    """
    embedding = checks.floating("embedding", embedding)
    checks.leading_axis("embedding", embedding.shape)
    return dropout(key, embedding, rate, broadcast_dims=range(1, embedding.ndim), axis_name=axis_name)


def drop_words(
    key: Key, embedded: Array, rate: Scalar, *, words: Array, vocabulary: int, axis_name: AxisName = None
) -> Array:
    """Returns what looking up `words` in the dropped table would give, from what looking them up in the table gave.

    Args:
      key: a PRNG key.
      embedded: floating array ``[..., features]``.
      rate: probability of dropping a word.
      words: integer array ``[...]``. Numbers outside of the vocabulary are not dropped, so that the NaNs which Flax
        gives for them stay seen.
      vocabulary: the number of rows of the table.
      axis_name: mesh axes along which each shard draws for itself.
    """
    if random.settled(rate, 1.0):
        return jnp.zeros_like(embedded)
    keep = 1.0 - random.probability(rate)
    # The mask of the table, drawn as `dropout` draws it.
    kept = random.keep_mask(random.for_shard(key, axis_name), keep, (vocabulary, 1))
    return jnp.where(jnp.take(kept, words, axis=0, mode="fill", fill_value=True), random.unbias(embedded, keep), 0)
