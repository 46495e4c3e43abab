"""Token dropout, from counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import token_dropout

TOKENS = np.arange(60_000).reshape(300, 200) % 97 + 10


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int8])
def test_the_share_of_the_rate_is_replaced(dtype):
    tokens = TOKENS.astype(dtype)
    run = jax.jit(lambda key, rate, mask_token: token_dropout(key, tokens, rate, mask_token=mask_token))
    for rate, mask_token in ((0.3, 3), (0.9, 0)):
        y = run(jax.random.key(0), rate, mask_token)
        assert y.dtype == dtype
        lost = np.asarray(y != tokens)
        np.testing.assert_array_equal(y, np.where(lost, mask_token, tokens))
        assert abs(lost.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / lost.size)
        # Tokens are lost by themselves, along the time and from example to example.
        for pair in ((lost[:, 1:], lost[:, :-1]), (lost[1:], lost[:-1])):
            assert abs(np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1]) < 5 / np.sqrt(lost.size)


def test_only_the_tokens_of_the_mask_are_replaced():
    where = TOKENS % 3 > 0
    y = token_dropout(jax.random.key(0), TOKENS, 0.5, mask_token=-1, where=where)
    np.testing.assert_array_equal(y[~where], TOKENS[~where])
    lost = np.asarray(y == -1)[where]
    assert abs(lost.mean() - 0.5) < 5 * np.sqrt(0.25 / lost.size)


def test_rates_of_zero_and_one():
    tokens = jnp.asarray(TOKENS[:4, :5])
    where = np.arange(20).reshape(4, 5) % 2 > 0
    assert token_dropout(None, tokens, 0.0, mask_token=1, where=where) is tokens
    np.testing.assert_array_equal(token_dropout(jax.random.key(0), tokens, jnp.float32(0.0), mask_token=1), tokens)
    for rate in (1.0, jnp.float32(1.0)):
        np.testing.assert_array_equal(token_dropout(jax.random.key(0), tokens, rate, mask_token=1), np.ones((4, 5)))
        y = token_dropout(jax.random.key(0), tokens, rate, mask_token=1, where=where)
        np.testing.assert_array_equal(y, np.where(where, 1, tokens))
    assert token_dropout(jax.random.key(0), tokens[:0], 0.5, mask_token=1).shape == (0, 5)


def test_mistakes_are_named():
    tokens = jnp.ones((2, 3), jnp.uint8)
    with pytest.raises(TypeError, match="`tokens` must be an integer array, got dtype float32"):
        token_dropout(jax.random.key(0), jnp.ones(3), 0.5, mask_token=0)
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\], got 2"):
        token_dropout(jax.random.key(0), tokens, 2, mask_token=0)
    for mask_token in (-1, 256, 0.5):
        with pytest.raises(ValueError, match=r"`mask_token` must be an integer in \[0, 255\], got"):
            token_dropout(jax.random.key(0), tokens, 0.5, mask_token=mask_token)
    with pytest.raises(TypeError, match="`where` must be a boolean array, got dtype uint8"):
        token_dropout(jax.random.key(0), tokens, 0.5, mask_token=0, where=tokens)
    with pytest.raises(ValueError, match=r"`where` must have the shape \(2, 3\) of `tokens`, got \(3,\)"):
        token_dropout(jax.random.key(0), tokens, 0.5, mask_token=0, where=jnp.ones(3, bool))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        token_dropout(0, tokens, 0.5, mask_token=0)
