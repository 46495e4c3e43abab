"""Functions that perturb at random: the dropout family and stochastic depth.

Each takes a PRNG key first, has no mode and no state, and gives the same result for the same key.
"""

from regjax.stochastic._alpha_dropout import alpha_dropout
from regjax.stochastic._concrete_dropout import concrete_dropout
from regjax.stochastic._concrete_dropout_penalty import concrete_dropout_penalty
from regjax.stochastic._drop_block import drop_block
from regjax.stochastic._drop_connect import drop_connect
from regjax.stochastic._dropout import dropout
from regjax.stochastic._embedding_dropout import embedding_dropout
from regjax.stochastic._feature_alpha_dropout import feature_alpha_dropout
from regjax.stochastic._gaussian_dropout import gaussian_dropout
from regjax.stochastic._gaussian_noise import gaussian_noise
from regjax.stochastic._masksembles import masksembles
from regjax.stochastic._masksembles_masks import masksembles_masks
from regjax.stochastic._residual_block import residual_block
from regjax.stochastic._stochastic_depth import stochastic_depth
from regjax.stochastic._stochastic_depth_rates import stochastic_depth_rates

__all__ = [
    "alpha_dropout",
    "concrete_dropout",
    "concrete_dropout_penalty",
    "drop_block",
    "drop_connect",
    "dropout",
    "embedding_dropout",
    "feature_alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "masksembles",
    "masksembles_masks",
    "residual_block",
    "stochastic_depth",
    "stochastic_depth_rates",
]
