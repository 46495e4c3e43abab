"""Regularization for JAX: pure functions, values, Optax transformations and Flax modules that compose.

Each room is imported when it is first used. The Flax modules are imported on purpose, `import regjax.linen` or
`import regjax.nnx`, so that nothing else imports Flax.
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """Imports a room when it is first used, and tells how to get at those that import Flax."""
    if name in __all__:
        return _import_module(f"regjax.{name}")
    hint = f": `import regjax.{name}` first" if name in {"linen", "nnx"} else ""
    raise AttributeError(f"module 'regjax' has no attribute '{name}'{hint}")


def __dir__() -> list[str]:
    """Lists the rooms that are not imported yet, too."""
    return sorted({*globals(), *__all__})
