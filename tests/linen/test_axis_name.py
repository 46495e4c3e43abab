"""The layers hand `axis_name` to their functions."""

import flax.linen as nn
import jax
import pytest

import regjax.linen
from tests import axis_name

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
    return layer.apply(variables, x, deterministic=False, rng=axis_name.KEY)


@pytest.mark.parametrize("name", LAYERS)
def test_the_name_arrives(name):
    axis_name.the_name_arrives(name, LAYERS[name], run)


def test_shards_draw_for_themselves():
    axis_name.shards_draw_for_themselves(LAYERS["Dropout"], run)


def test_every_stochastic_layer_is_tried():
    axis_name.every_layer_is_tried(regjax.linen, LAYERS)
