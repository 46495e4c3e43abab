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
from regjax import constraints, diagnostics, masks, regularizers, stochastic, transforms, uncertainty


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


def _block(mode: str) -> Callable[..., Any]:
    return lambda key, x, rate=0.4: stochastic.residual_block(key, jnp.sin, x, rate, mode=mode)


# Functions of a key, an array and a rate; what follows the name tells cases of one function apart.
STOCHASTIC: dict[str, Callable[..., Any]] = {
    "dropout": lambda key, x, rate=0.4: stochastic.dropout(key, x, rate),
    "dropout shared": lambda key, x, rate=0.4: stochastic.dropout(key, x, rate, broadcast_dims=(-1,)),
    "gaussian_dropout": lambda key, x, rate=0.4: stochastic.gaussian_dropout(key, x, rate),
    "gaussian_noise": lambda key, x, rate=0.4: stochastic.gaussian_noise(key, x, rate),
    "alpha_dropout": lambda key, x, rate=0.4: stochastic.alpha_dropout(key, x, rate),
    "drop_connect": lambda key, x, rate=0.4: stochastic.drop_connect(key, {"w": x}, rate)["w"],
    "stochastic_depth": lambda key, x, rate=0.4: stochastic.stochastic_depth(key, x, rate),
    "stochastic_depth batch": lambda key, x, rate=0.4: stochastic.stochastic_depth(key, x, rate, mode="batch"),
    **{f"residual_block {mode}": _block(mode) for mode in ("row", "batch", "subset", "skip")},
}


def _noisy_logits(key: jax.Array, x: jax.Array) -> jax.Array:
    return x + jax.random.normal(key, x.shape)


_SAMPLES = jnp.full((5, 2, 3), 1 / 3)

# Everything else that is public, as a call without arguments; its result may hold anything.
OTHERS: dict[str, Callable[[], Any]] = {
    "diagnostics.describe": lambda: diagnostics.describe(REGULARIZERS[0], tree()),
    "diagnostics.group_sparsity": lambda: diagnostics.group_sparsity(tree(), 0),
    "diagnostics.norms": lambda: diagnostics.norms(tree()),
    "diagnostics.sparsity": lambda: diagnostics.sparsity(tree()),
    "masks.all_of": lambda: masks.resolve(masks.all_of("*", masks.min_ndim(2)), tree()),
    "masks.as_mask": lambda: masks.as_mask("*").selected(tree()),
    "masks.exclude": lambda: masks.resolve(masks.exclude("bias"), tree()),
    "masks.first_match": lambda: masks.resolve(masks.first_match("bias", "*")[1], tree()),
    "masks.min_ndim": lambda: masks.resolve(masks.min_ndim(2), tree()),
    "masks.no_bias_or_norm": lambda: masks.resolve(masks.no_bias_or_norm(), tree()),
    "masks.path": lambda: masks.resolve(masks.path("bias"), tree()),
    "masks.resolve": lambda: masks.resolve(None, tree()),
    "masks.select": lambda: masks.select("kernel", tree()),
    "stochastic.stochastic_depth_rates": lambda: stochastic.stochastic_depth_rates(3, 0.5),
    "uncertainty.expected_entropy": lambda: uncertainty.expected_entropy(_SAMPLES),
    "uncertainty.mc_classify": lambda: uncertainty.mc_classify(
        _noisy_logits, jax.random.key(0), jnp.eye(3), num_samples=3
    ),
    "uncertainty.mc_regress": lambda: uncertainty.mc_regress(
        _noisy_logits, jax.random.key(0), jnp.eye(3), num_samples=3
    ),
    "uncertainty.mc_samples": lambda: uncertainty.mc_samples(
        _noisy_logits, jax.random.key(0), jnp.eye(3), num_samples=3
    ),
    "uncertainty.mutual_information": lambda: uncertainty.mutual_information(_SAMPLES),
    "uncertainty.predictive_entropy": lambda: uncertainty.predictive_entropy(_SAMPLES),
    "uncertainty.variation_ratio": lambda: uncertainty.variation_ratio(_SAMPLES),
}

# The names of all public functions that have a case.
NAMES = {
    *(case.name for case in TREE_CASES),
    *(f"stochastic.{name.split()[0]}" for name in STOCHASTIC),
    *(f"regularizers.{getattr(value, 'name', 'by_path')}" for value in REGULARIZERS),
    *(f"constraints.{getattr(value, 'name', 'by_path')}" for value in CONSTRAINTS),
    *(f"transforms.{name.split('-')[0]}" for name in TRANSFORMS),
    *OTHERS,
}
