"""Optax gradient transformations made of regularizers and constraints.

Two optimizers solve problems with penalties that make zeros: `proximal_adam` and `proximal_sgd`; `proximal` makes one
of any other. The others compose in `optax.chain`. Their places, from first to last: `add_penalty_gradients` before the
optimizer, `decoupled_weight_decay` after the learning rate, then `proximal_step`, then `project`, and
`freeze_when_stopped` last of all.
"""

from regjax.transforms._accelerated import AcceleratedState
from regjax.transforms._adabelief_metric import adabelief_metric
from regjax.transforms._adagrad_metric import adagrad_metric
from regjax.transforms._adam_metric import adam_metric, amsgrad_metric
from regjax.transforms._add_penalty_gradients import add_penalty_gradients
from regjax.transforms._apply_updates_stochastic_rounding import apply_updates_stochastic_rounding
from regjax.transforms._decoupled_weight_decay import DecoupledWeightDecayState, decoupled_weight_decay
from regjax.transforms._freeze_when_stopped import FreezeWhenStoppedState, freeze_when_stopped
from regjax.transforms._metric import Metric
from regjax.transforms._project import project
from regjax.transforms._proximal import ProximalState, proximal
from regjax.transforms._proximal_adam import proximal_adam
from regjax.transforms._proximal_sgd import proximal_sgd
from regjax.transforms._proximal_step import ProximalStepState, proximal_step
from regjax.transforms._rmsprop_metric import rmsprop_metric

__all__ = [
    "AcceleratedState",
    "DecoupledWeightDecayState",
    "FreezeWhenStoppedState",
    "Metric",
    "ProximalState",
    "ProximalStepState",
    "adabelief_metric",
    "adagrad_metric",
    "adam_metric",
    "add_penalty_gradients",
    "amsgrad_metric",
    "apply_updates_stochastic_rounding",
    "decoupled_weight_decay",
    "freeze_when_stopped",
    "project",
    "proximal",
    "proximal_adam",
    "proximal_sgd",
    "proximal_step",
    "rmsprop_metric",
]
