"""Regularization for JAX: pure functions, values, Optax transformations and Flax modules that compose.

The Flax modules are imported on purpose, `import regjax.linen` or `import regjax.nnx`, so that `import regjax` does
not import Flax.
"""

from importlib.metadata import version

from regjax import (
    constraints,
    diagnostics,
    masks,
    penalties,
    projections,
    prox,
    regularizers,
    stochastic,
    transforms,
    uncertainty,
)

__version__ = version("regjax")

__all__ = [
    "constraints",
    "diagnostics",
    "masks",
    "penalties",
    "projections",
    "prox",
    "regularizers",
    "stochastic",
    "transforms",
    "uncertainty",
]
