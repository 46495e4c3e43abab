"""Embedding dropout in NNX: the numbers of the function on the table, and what is left alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import stochastic
from regjax.nnx import EmbeddingDropout

WORDS = jnp.array([[0, 1, 0, 7], [4, 0, 2, -1]])


def table_of(embed):
    return embed.embedding[...]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_numbers_are_those_of_the_function_on_the_table(dtype):
    embed = nnx.Embed(8, 3, param_dtype=dtype, rngs=nnx.Rngs(0))
    table = table_of(embed)
    layer = EmbeddingDropout(embed, 0.5)
    for rate in (0.5, jnp.float32(0.3)):
        got = layer(WORDS, rngs=jax.random.key(1), rate=rate)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, stochastic.embedding_dropout(jax.random.key(1), table, rate)[WORDS])
    np.testing.assert_array_equal(layer(WORDS, deterministic=True), table[WORDS])
    assert layer.layer is embed
    np.testing.assert_array_equal(table_of(embed), table)


def test_only_words_that_are_kept_and_looked_up_get_a_gradient():
    layer = EmbeddingDropout(nnx.Embed(8, 3, rngs=nnx.Rngs(0)), 0.5)
    gradient = nnx.grad(lambda layer: layer(WORDS, rngs=jax.random.key(1)).sum())(layer)
    factors = stochastic.embedding_dropout(jax.random.key(1), jnp.ones((8, 3)), 0.5)
    times = jnp.bincount(WORDS.ravel() % 8, length=8)[:, None]
    np.testing.assert_allclose(nnx.to_pure_dict(gradient)["layer"]["embedding"], factors * times)


def test_a_table_that_serves_for_the_output_too_loses_nothing_there():
    embed = nnx.Embed(8, 3, rngs=nnx.Rngs(0))
    hidden = EmbeddingDropout(embed, 1.0)(WORDS)
    np.testing.assert_array_equal(hidden, 0)
    wanted = jnp.broadcast_to(table_of(embed).sum(1), (2, 4, 8))
    np.testing.assert_allclose(embed.attend(hidden + 1), wanted, rtol=1e-5)


def test_other_arguments_and_the_flag_reach_the_embedding():
    class Scaled(nnx.Module):
        def __init__(self):
            self.embed = nnx.Embed(8, 3, rngs=nnx.Rngs(0))
            self.num_embeddings = 8

        def __call__(self, words, scale, *, deterministic=None):
            return scale * self.embed(words) + (100.0 if deterministic else 0.0)

    inner = Scaled()
    table = table_of(inner.embed)
    layer = EmbeddingDropout(inner, 0.5)
    np.testing.assert_allclose(layer(WORDS, 2.0, deterministic=True), 2 * table[WORDS] + 100)
    dropped = stochastic.embedding_dropout(jax.random.key(1), 2 * table, 0.5)
    np.testing.assert_allclose(layer(WORDS, 2.0, rngs=jax.random.key(1)), dropped[WORDS], rtol=1e-6)


def test_what_is_no_embedding_is_refused():
    with pytest.raises(TypeError, match="`layer` must be an embedding with the attribute `num_embeddings`, .* Linear"):
        EmbeddingDropout(nnx.Linear(3, 3, rngs=nnx.Rngs(0)), 0.5)
