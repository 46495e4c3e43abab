"""Embedding dropout in Linen: the numbers of the function on the table, and what is left alone."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen, stochastic

WORDS = jnp.array([[0, 1, 0, 7], [4, 0, 2, -1]])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_numbers_are_those_of_the_function_on_the_table(dtype):
    layer = linen.EmbeddingDropout(nn.Embed(8, 3, param_dtype=dtype), 0.5)
    variables = layer.init(jax.random.key(0), WORDS)
    assert jax.tree.map(jnp.shape, variables) == {"params": {"layer": {"embedding": (8, 3)}}}
    table = variables["params"]["layer"]["embedding"]
    for rate in (0.5, jnp.float32(0.3)):
        got = layer.apply(variables, WORDS, deterministic=False, rng=jax.random.key(1), rate=rate)
        dropped = stochastic.embedding_dropout(jax.random.key(1), table, rate)
        wanted = nn.Embed(8, 3, param_dtype=dtype).apply({"params": {"embedding": dropped}}, WORDS)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(layer.apply(variables, WORDS, deterministic=True), table[WORDS])


def test_only_words_that_are_kept_and_looked_up_get_a_gradient():
    layer = linen.EmbeddingDropout(nn.Embed(8, 3), 0.5, deterministic=False)
    variables = layer.init(jax.random.key(0), WORDS)
    gradient = jax.grad(lambda v: layer.apply(v, WORDS, rng=jax.random.key(1)).sum())(variables)
    factors = stochastic.embedding_dropout(jax.random.key(1), jnp.ones((8, 3)), 0.5)
    times = jnp.bincount(WORDS.ravel() % 8, length=8)[:, None]
    assert 0 < ((factors == 0) & (times > 0)).sum() < (times > 0).sum() * 3
    np.testing.assert_allclose(gradient["params"]["layer"]["embedding"], factors * times)


def test_a_table_that_serves_for_the_output_too_loses_nothing_there():
    class Tied(nn.Module):
        def setup(self):
            self.embed = nn.Embed(8, 3)
            self.dropout = linen.EmbeddingDropout(self.embed, 1.0, deterministic=False)

        def __call__(self, words):
            hidden = self.dropout(words)
            return hidden, self.embed.attend(hidden + 1)

    variables = Tied().init(jax.random.key(0), WORDS)
    assert jax.tree.map(jnp.shape, variables) == {"params": {"embed": {"embedding": (8, 3)}}}
    hidden, scores = Tied().apply(variables, WORDS)
    np.testing.assert_array_equal(hidden, 0)
    table = variables["params"]["embed"]["embedding"]
    np.testing.assert_allclose(scores, jnp.broadcast_to(table.sum(1), (2, 4, 8)), rtol=1e-5)


def test_other_arguments_and_the_flag_reach_the_embedding():
    class Scaled(nn.Module):
        num_embeddings: int = 8

        @nn.compact
        def __call__(self, words, scale, *, deterministic=None):
            return scale * nn.Embed(8, 3)(words) + (100.0 if deterministic else 0.0)

    layer = linen.EmbeddingDropout(Scaled(), 0.5)
    variables = layer.init(jax.random.key(0), WORDS, 1.0)
    table = variables["params"]["layer"]["Embed_0"]["embedding"]
    np.testing.assert_allclose(layer.apply(variables, WORDS, 2.0, deterministic=True), 2 * table[WORDS] + 100)
    dropped = stochastic.embedding_dropout(jax.random.key(1), 2 * table, 0.5)
    got = layer.apply(variables, WORDS, 2.0, deterministic=False, rng=jax.random.key(1))
    np.testing.assert_allclose(got, dropped[WORDS], rtol=1e-6)


def test_what_is_no_embedding_is_refused():
    with pytest.raises(TypeError, match="`layer` must be an embedding with the attribute `num_embeddings`, .* Dense"):
        linen.EmbeddingDropout(nn.Dense(3), 0.5).init(jax.random.key(0), jnp.ones((2, 3)))
