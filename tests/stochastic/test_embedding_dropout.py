"""Embedding dropout: whole words are lost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import dropout, embedding_dropout
from regjax.stochastic._embedding_dropout import drop_words

TABLE = jnp.linspace(1.0, 2.0, 120).reshape(40, 3)


@pytest.mark.parametrize("rate", [0.4, jnp.float32(0.4)], ids=["static", "traced"])
def test_rows_are_lost_whole_and_the_others_scaled(rate):
    y = np.asarray(embedding_dropout(jax.random.key(0), TABLE, rate))
    lost = (y == 0).all(1)
    assert 0 < lost.sum() < 40
    np.testing.assert_allclose(y, np.where(lost[:, None], 0, np.asarray(TABLE) / 0.6), rtol=1e-6)
    np.testing.assert_array_equal(y, dropout(jax.random.key(0), TABLE, rate, broadcast_dims=(1,)))


def test_words_are_lost_at_the_rate():
    lost = embedding_dropout(jax.random.key(1), jnp.ones((100_000, 1)), 0.2) == 0
    assert abs(lost.mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 100_000)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dropping_after_the_lookup_is_looking_up_in_the_dropped_table(dtype):
    words = jax.random.randint(jax.random.key(2), (5, 30), -40, 40)

    def after(table, rate):
        looked_up = jnp.take(table, words, axis=0)
        return drop_words(jax.random.key(3), looked_up, rate, words=words, vocabulary=40)

    def before(table, rate):
        return jnp.take(embedding_dropout(jax.random.key(3), table, rate), words, axis=0)

    @jax.jit
    def run(table, traced):
        def total(table, function):
            return (function(table, 0.4).astype(jnp.float32) ** 2).sum()

        values = [[function(table, rate) for rate in (0.4, traced, 1.0)] for function in (after, before)]
        return values, [jax.grad(total)(table, function).astype(jnp.float32) for function in (after, before)]

    for rate in (0.3, 0.0):
        values, gradients = run(TABLE.astype(dtype), rate)
        jax.tree.map(np.testing.assert_array_equal, *values)
        np.testing.assert_allclose(*gradients, rtol=2e-2)


def test_words_outside_of_the_vocabulary_stay_seen():
    words = jnp.array([0, 40, 1000])
    for seed in range(8):
        looked_up = jnp.take(TABLE, words, axis=0)
        y = drop_words(jax.random.key(seed), looked_up, 0.9, words=words, vocabulary=40)
        assert not np.isnan(y[0]).any()
        assert np.isnan(y[1:]).all()


def test_a_scalar_has_no_words():
    with pytest.raises(ValueError, match=r"`embedding` must have a leading axis, got shape \(\)"):
        embedding_dropout(jax.random.key(0), jnp.float32(1.0), 0.5)
