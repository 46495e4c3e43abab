"""The layers hand `axis_name` to their functions."""

import pytest
from flax import nnx

import regjax.nnx
from tests import axis_name

LAYERS = {
    "AlphaDropout": lambda **o: regjax.nnx.AlphaDropout(0.5, **o),
    "ConcreteDropout": lambda **o: regjax.nnx.ConcreteDropout(0.5, **o),
    "DropBlock": lambda **o: regjax.nnx.DropBlock(0.5, block_size=2, **o),
    "DropConnect": lambda **o: regjax.nnx.DropConnect(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), 0.5, **o),
    "Dropout": lambda **o: regjax.nnx.Dropout(0.5, **o),
    "EmbeddingDropout": lambda **o: regjax.nnx.EmbeddingDropout(nnx.Embed(5, 4, rngs=nnx.Rngs(0)), 0.5, **o),
    "FeatureAlphaDropout": lambda **o: regjax.nnx.FeatureAlphaDropout(0.5, **o),
    "GaussianDropout": lambda **o: regjax.nnx.GaussianDropout(0.5, **o),
    "GaussianNoise": lambda **o: regjax.nnx.GaussianNoise(0.5, **o),
    "MCDropout": lambda **o: regjax.nnx.MCDropout(0.5, **o),
    "ResidualBlock": lambda **o: regjax.nnx.ResidualBlock(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), 0.5, **o),
    "StochasticDepth": lambda **o: regjax.nnx.StochasticDepth(0.5, **o),
}


def run(layer, x):
    return layer(x, rngs=axis_name.KEY)


@pytest.mark.parametrize("name", LAYERS)
def test_the_name_arrives(name):
    axis_name.the_name_arrives(name, LAYERS[name], run)


def test_shards_draw_for_themselves():
    axis_name.shards_draw_for_themselves(LAYERS["Dropout"], run)


def test_every_stochastic_layer_is_tried():
    axis_name.every_layer_is_tried(regjax.nnx, LAYERS)
