"""Linen modules made of :mod:`regjax.stochastic`, with the names of :mod:`regjax.nnx`, and Monte Carlo passes."""

from regjax.linen._alpha_dropout import AlphaDropout
from regjax.linen._concrete_dropout import ConcreteDropout
from regjax.linen._drop_block import DropBlock
from regjax.linen._drop_connect import DropConnect
from regjax.linen._dropout import Dropout
from regjax.linen._embedding_dropout import EmbeddingDropout
from regjax.linen._feature_alpha_dropout import FeatureAlphaDropout
from regjax.linen._gaussian_dropout import GaussianDropout
from regjax.linen._gaussian_noise import GaussianNoise
from regjax.linen._ghost_batch_norm import GhostBatchNorm
from regjax.linen._masksembles import Masksembles
from regjax.linen._mc_apply import mc_apply
from regjax.linen._mc_dropout import MCDropout
from regjax.linen._residual_block import ResidualBlock
from regjax.linen._stochastic_depth import StochasticDepth

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
    "mc_apply",
]
