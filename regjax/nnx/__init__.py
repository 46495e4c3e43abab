"""NNX modules made of :mod:`regjax.stochastic`, with the names of :mod:`regjax.linen`, and Monte Carlo passes."""

from regjax.nnx._alpha_dropout import AlphaDropout
from regjax.nnx._drop_connect import DropConnect
from regjax.nnx._dropout import Dropout
from regjax.nnx._gaussian_dropout import GaussianDropout
from regjax.nnx._gaussian_noise import GaussianNoise
from regjax.nnx._mc_call import mc_call
from regjax.nnx._mc_dropout import MCDropout
from regjax.nnx._residual_block import ResidualBlock
from regjax.nnx._stochastic_depth import StochasticDepth

__all__ = [
    "AlphaDropout",
    "DropConnect",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "MCDropout",
    "ResidualBlock",
    "StochasticDepth",
    "mc_call",
]
