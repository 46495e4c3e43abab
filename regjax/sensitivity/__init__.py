"""Penalties on the derivatives of a function with respect to its inputs."""

from regjax.sensitivity._gradient_penalty import gradient_penalty
from regjax.sensitivity._jacobian_penalty import jacobian_penalty
from regjax.sensitivity._spectral_penalty import spectral_penalty, warm_spectral_penalty
from regjax.sensitivity._virtual_adversarial import virtual_adversarial

__all__ = [
    "gradient_penalty",
    "jacobian_penalty",
    "spectral_penalty",
    "virtual_adversarial",
    "warm_spectral_penalty",
]
