"""The layers hand `axis_name` to their functions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regjax.linen
from regjax import stochastic

KEY = jax.random.key(7)
LAYERS = {
    "AlphaDropout": lambda **o: regjax.linen.AlphaDropout(0.5, **o),
    "ConcreteDropout": lambda **o: regjax.linen.ConcreteDropout(0.5, **o),
    "DropBlock": lambda **o: regjax.linen.DropBlock(0.5, block_size=2, **o),
    "DropConnect": lambda **o: regjax.linen.DropConnect(nn.Dense(4), 0.5, **o),
    "Dropout": lambda **o: regjax.linen.Dropout(0.5, **o),
    "EmbeddingDropout": lambda **o: regjax.linen.EmbeddingDropout(nn.Embed(5, 4), 0.5, **o),
    "FeatureAlphaDropout": lambda **o: regjax.linen.FeatureAlphaDropout(0.5, **o),
    "GaussianDropout": lambda **o: regjax.linen.GaussianDropout(0.5, **o),
    "GaussianNoise": lambda **o: regjax.linen.GaussianNoise(0.5, **o),
    "MCDropout": lambda **o: regjax.linen.MCDropout(0.5, **o),
    "ResidualBlock": lambda **o: regjax.linen.ResidualBlock(nn.Dense(4), 0.5, **o),
    "StochasticDepth": lambda **o: regjax.linen.StochasticDepth(0.5, **o),
}


def run(layer, x):
    # Outside of `shard_map` no axis has a name, and a layer that is on must get its parameters all the same.
    variables = layer.init(jax.random.key(0), x, deterministic=False)
    return layer.apply(variables, x, deterministic=False, rng=KEY)


def inputs(name):
    return jnp.ones((2, 6), int) if name == "EmbeddingDropout" else jnp.ones((2, 6, 4))


@pytest.mark.parametrize("name", LAYERS)
def test_the_name_arrives(name):
    x = inputs(name)
    with pytest.raises(ValueError, match="`axis_name` must name axes .*got 'shards'"):
        jax.eval_shape(lambda: run(LAYERS[name](axis_name="shards"), x))
    named = jax.vmap(lambda x: run(LAYERS[name](axis_name="shards"), x), axis_name="shards")
    assert jax.eval_shape(named, jnp.stack([x] * 3)).shape[0] == 3


def test_shards_draw_for_themselves():
    x = jnp.ones((3, 50))
    got = jax.vmap(lambda x: run(LAYERS["Dropout"](axis_name="shards"), x), axis_name="shards")(x)
    for i in range(3):
        np.testing.assert_array_equal(got[i], stochastic.dropout(jax.random.fold_in(KEY, i), x[i], 0.5))


def test_every_stochastic_layer_is_tried():
    modules = {name for name in regjax.linen.__all__ if isinstance(getattr(regjax.linen, name), type)}
    assert modules - {"GhostBatchNorm", "Masksembles"} == set(LAYERS)
