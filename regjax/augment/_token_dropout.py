"""Token dropout: whole words are lost."""

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, Key, Scalar


def token_dropout(
    key: Key, tokens: ArrayLike, rate: Scalar, *, mask_token: Scalar, where: ArrayLike | None = None
) -> Array:
    r"""Replaces tokens at random by one that stands for a lost word.

    .. math::

      y_i = \begin{cases} x_i & \text{with probability } 1 - p \\ \text{mask token} & \text{with probability } p
      \end{cases}

    Args:
      key: a PRNG key; a rate of 0 that is a Python number does not look at it.
      tokens: integer array of any shape, such as ``[batch, time]``.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced.
      mask_token: the token to put in place, such as that of unknown words; may be traced.
      where: boolean array of the tokens that may be dropped, of the shape of `tokens`; the others, such as padding and
        special tokens, stay. None stands for all.

    Returns:
      An array with the shape and dtype of `tokens`.

    Raises:
      TypeError: if `tokens` are no integers, `where` is not boolean, or an argument is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], `mask_token` one that the dtype of `tokens` does not have, or
        `where` has another shape than `tokens`.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> tokens = jnp.array([[1, 17, 42, 13, 2, 0]])
      >>> words = tokens > 2
      >>> regjax.augment.token_dropout(jax.random.key(0), tokens, 0.5, mask_token=3, where=words)
      Array([[ 1,  3, 42, 13,  2,  0]], dtype=int32)

    References:
      Bowman et al, `Generating Sentences from a Continuous Space <https://arxiv.org/abs/1511.06349>`_, 2016
    """
    tokens = checks.integers("tokens", tokens)
    checks.rate("rate", rate)
    limits = jnp.iinfo(tokens.dtype)
    checks.whole("mask_token", mask_token, int(limits.min), int(limits.max))
    if where is not None:
        where = checks.boolean("where", where)
        checks.same_shape("where", where.shape, "tokens", tokens.shape)
    if random.settled(rate, 0.0):
        return tokens
    drop = ~random.keep_mask(key, 1 - random.probability(rate), tokens.shape)
    return jnp.where(drop if where is None else drop & where, jnp.asarray(mask_token).astype(tokens.dtype), tokens)
