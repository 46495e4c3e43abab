"""Regularization for JAX: pure functions, values, Optax transformations and Flax modules that compose.

The Flax modules are imported on purpose, `import regjax.linen` or `import regjax.nnx`, so that `import regjax` does
not import Flax.
"""

from importlib.metadata import version as _version

from regjax import (
    augment,
    constraints,
    diagnostics,
    losses,
    masks,
    penalties,
    projections,
    prox,
    pruning,
    regularizers,
    sensitivity,
    stochastic,
    stopping,
    transforms,
    uncertainty,
)

__version__ = _version("regjax")

__all__ = [
    "augment",
    "constraints",
    "diagnostics",
    "losses",
    "masks",
    "penalties",
    "projections",
    "prox",
    "pruning",
    "regularizers",
    "sensitivity",
    "stochastic",
    "stopping",
    "transforms",
    "uncertainty",
]


def __getattr__(name: str) -> object:
    """Tells how to get at the rooms that import Flax."""
    hint = f": `import regjax.{name}` first" if name in {"linen", "nnx"} else ""
    raise AttributeError(f"module 'regjax' has no attribute '{name}'{hint}")
