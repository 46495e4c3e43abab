"""NNX modules made of :mod:`regjax.stochastic`, with the names of :mod:`regjax.linen`, and Monte Carlo passes."""

from regjax.nnx._alpha_dropout import AlphaDropout
from regjax.nnx._concrete_dropout import ConcreteDropout
from regjax.nnx._drop_block import DropBlock
from regjax.nnx._drop_connect import DropConnect
from regjax.nnx._dropout import Dropout
from regjax.nnx._embedding_dropout import EmbeddingDropout
from regjax.nnx._feature_alpha_dropout import FeatureAlphaDropout
from regjax.nnx._gaussian_dropout import GaussianDropout
from regjax.nnx._gaussian_noise import GaussianNoise
from regjax.nnx._ghost_batch_norm import GhostBatchNorm
from regjax.nnx._masksembles import Masksembles
from regjax.nnx._mc_call import mc_call
from regjax.nnx._mc_dropout import MCDropout
from regjax.nnx._residual_block import ResidualBlock
from regjax.nnx._stochastic_depth import StochasticDepth

__all__ = [
    "AlphaDropout",
    "ConcreteDropout",
    "DropBlock",
    "DropConnect",
    "Dropout",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "GhostBatchNorm",
    "MCDropout",
    "Masksembles",
    "ResidualBlock",
    "StochasticDepth",
    "mc_call",
]
