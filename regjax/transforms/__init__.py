"""Optax gradient transformations made of regularizers and constraints.

They compose in `optax.chain`. Their places, from first to last: `add_penalty_gradients` before the optimizer,
`decoupled_weight_decay` after the learning rate, then `proximal_step`, then
`project`, and `freeze_when_stopped` last of all.
"""

from regjax.transforms._add_penalty_gradients import add_penalty_gradients
from regjax.transforms._decoupled_weight_decay import DecoupledWeightDecayState, decoupled_weight_decay
from regjax.transforms._freeze_when_stopped import FreezeWhenStoppedState, freeze_when_stopped
from regjax.transforms._project import project
from regjax.transforms._proximal_step import ProximalStepState, proximal_step

__all__ = [
    "DecoupledWeightDecayState",
    "FreezeWhenStoppedState",
    "ProximalStepState",
    "add_penalty_gradients",
    "decoupled_weight_decay",
    "freeze_when_stopped",
    "project",
    "proximal_step",
]
