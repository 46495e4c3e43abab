"""Every public function with arguments to try it with: the shared batteries run over this list.

`test_public_api.py` fails when a public name has no case. Edge values belong here, as cases of their own.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regjax
from regjax import constraints, regularizers, transforms


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One call of a public function, without the tree (or key and array) that it works on."""

    name: str
    arguments: dict[str, Any]
    note: str = ""

    @property
    def function(self) -> Callable[..., Any]:
        room, name = self.name.split(".")
        return getattr(getattr(regjax, room), name)

    def __call__(self, *operands: Any, **overrides: Any) -> Any:
        return self.function(*operands, **(self.arguments | overrides))

    def __str__(self) -> str:
        shown = ",".join(f"{k}={v}" for k, v in self.arguments.items() if not isinstance(v, dict))
        return "-".join(filter(None, [self.name, shown, self.note]))


def tree(dtype: Any = jnp.float32) -> dict[str, Any]:
    """A tree on which every case acts: entries on both sides of every threshold, a zero row and a zero column."""
    kernel = np.array([[1.5, -0.2, 0.0], [-0.4, 0.05, 0.0], [0.0, 0.0, 0.0], [0.9, 2.5, 0.0]])
    return {"bias": jnp.asarray([0.3, -1.2, 0.0], dtype), "kernel": jnp.asarray(kernel, dtype)}


_ANCHOR = {"bias": np.full(3, 0.25, np.float32), "kernel": np.full((4, 3), -0.5, np.float32)}

# The second strength of a function with two is given under its own name.
_PENALTY_ARGUMENTS = [
    ("l1", {"strength": 0.7}),
    ("l2", {"strength": 0.7}),
    ("l0", {"strength": 0.1}),
    ("elastic_net", {"l1": 0.3, "l2": 0.6}),
    ("group_lasso", {"strength": 0.4, "axis": 0}),
    ("group_lasso", {"strength": 0.9, "axis": -1, "size_scaling": False}),
    ("group_lasso", {"strength": 0.2, "axis": None}),
    ("sparse_group_lasso", {"l1": 0.1, "group": 0.4, "axis": 0}),
    ("sparse_group_lasso", {"l1": 0.2, "group": 0.5, "axis": (0,), "size_scaling": False}),
    ("l2_sp", {"strength": 0.7, "anchor": _ANCHOR}),
]


def _zeroed(arguments: dict[str, Any]) -> dict[str, Any]:
    return {k: 0.0 if k in {"strength", "l1", "l2", "group"} else v for k, v in arguments.items()}


PENALTIES = [Case(f"penalties.{name}", arguments) for name, arguments in _PENALTY_ARGUMENTS]
PROX = [
    *(Case(f"prox.{name}", arguments | {"step_size": 0.8}) for name, arguments in _PENALTY_ARGUMENTS),
    *(Case(f"prox.{name}", _zeroed(arguments), "no strength") for name, arguments in _PENALTY_ARGUMENTS[:-1]),
]
PROJECTIONS = [
    Case("projections.max_norm", {"bound": 1.1}),
    Case("projections.max_norm", {"bound": 0.9, "axis": 0}),
    Case("projections.max_norm", {"bound": 0.0, "axis": None}),
    Case("projections.unit_norm", {}),
    Case("projections.unit_norm", {"axis": -1}),
    Case("projections.min_max_norm", {"minimum": 0.5, "maximum": 1.1}),
    Case("projections.min_max_norm", {"minimum": 0.5, "maximum": 1.1, "rate": 0.3, "axis": 0}),
    Case("projections.non_negative", {}),
    Case("projections.box", {"lower": -0.3, "upper": 1.0}),
    Case("projections.l1_ball", {"bound": 1.0}),
    Case("projections.l1_ball", {"bound": 0.5, "axis": 0}),
    Case("projections.l2_ball", {"bound": 1.0}),
    Case("projections.l2_ball", {"bound": 1.0, "axis": -1}),
    Case("projections.linf_ball", {"bound": 0.5}),
    Case("projections.simplex", {}),
    Case("projections.simplex", {"bound": 2.0, "axis": 0}),
]
TREE_CASES = [*PENALTIES, *PROX, *PROJECTIONS]
CASES = [*TREE_CASES]

REGULARIZERS = [
    regularizers.l1(0.3),
    regularizers.l2(0.3, mask="**/kernel"),
    regularizers.l0(0.1),
    regularizers.elastic_net(0.2, 0.3),
    regularizers.group_lasso(0.2, axis=0),
    regularizers.sparse_group_lasso(0.1, 0.2, axis=0),
    regularizers.l2_sp(0.3, anchor=_ANCHOR),
    regularizers.by_path({"bias": None, "**": regularizers.l1(0.3)}),
]
CONSTRAINTS = [
    constraints.max_norm(0.9),
    constraints.unit_norm(mask="**/kernel"),
    constraints.min_max_norm(0.5, 1.1, rate=0.5),
    constraints.non_negative(),
    constraints.box(-0.3, 0.6),
    constraints.l1_ball(0.7),
    constraints.l2_ball(0.7),
    constraints.linf_ball(0.7),
    constraints.simplex(axis=-1),
    constraints.by_path({"bias": constraints.non_negative(), "kernel": constraints.max_norm(0.9)}),
]

# From the name of a transformation to factories without arguments.
TRANSFORMS: dict[str, Callable[[], optax.GradientTransformationExtraArgs]] = {
    "add_penalty_gradients": lambda: transforms.add_penalty_gradients(regularizers.l2(0.3)),
    "add_penalty_gradients-masked": lambda: transforms.add_penalty_gradients(regularizers.l1(0.3, mask="**/kernel")),
    "decoupled_weight_decay": lambda: transforms.decoupled_weight_decay(0.1, 0.5),
    "decoupled_weight_decay-masked": lambda: transforms.decoupled_weight_decay(0.1, mask="**/kernel"),
    "decoupled_weight_decay-schedule": lambda: transforms.decoupled_weight_decay(
        optax.linear_schedule(0.1, 0.0, 5), optax.linear_schedule(0.5, 0.1, 5)
    ),
    "decoupled_weight_decay-cautious": lambda: transforms.decoupled_weight_decay(0.1, 0.5, cautious=True),
    "decoupled_weight_decay-anchor": lambda: transforms.decoupled_weight_decay(
        0.1, 0.5, anchor="initial", mask="**/kernel"
    ),
    "decoupled_weight_decay-anchor-tree": lambda: transforms.decoupled_weight_decay(0.1, 0.5, anchor=_ANCHOR),
    "proximal_step": lambda: transforms.proximal_step(regularizers.l1(0.3), 0.5),
    "proximal_step-schedule": lambda: transforms.proximal_step(
        regularizers.group_lasso(0.3, axis=0), optax.linear_schedule(0.5, 0.1, 5)
    ),
    "proximal_step-metric": lambda: transforms.proximal_step(
        regularizers.group_lasso(0.3, axis=0), 0.5, metric=jax.tree.map(lambda a: np.abs(a) + 1, _ANCHOR)
    ),
    "project": lambda: transforms.project(constraints.max_norm(0.9)),
    "project-by-path": lambda: transforms.project(CONSTRAINTS[-1]),
}
