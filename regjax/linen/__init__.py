"""Linen modules made of :mod:`regjax.stochastic`, with the names of :mod:`regjax.nnx`, and Monte Carlo passes."""

from regjax.linen._alpha_dropout import AlphaDropout
from regjax.linen._drop_connect import DropConnect
from regjax.linen._dropout import Dropout
from regjax.linen._gaussian_dropout import GaussianDropout
from regjax.linen._gaussian_noise import GaussianNoise
from regjax.linen._mc_apply import mc_apply
from regjax.linen._mc_dropout import MCDropout
from regjax.linen._residual_block import ResidualBlock
from regjax.linen._stochastic_depth import StochasticDepth

__all__ = [
    "AlphaDropout",
    "DropConnect",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "MCDropout",
    "ResidualBlock",
    "StochasticDepth",
    "mc_apply",
]
