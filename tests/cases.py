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
from regjax import (
    augment,
    constraints,
    diagnostics,
    losses,
    masks,
    projections,
    pruning,
    regularizers,
    stochastic,
    stopping,
    transforms,
    uncertainty,
)


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
    ("huber", {"strength": 0.7, "delta": 0.4}),
    ("mcp", {"strength": 0.3, "gamma": 3.0}),
    ("mcp", {"strength": 0.8, "gamma": 0.6}),
    ("scad", {"strength": 0.3, "a": 5.0}),
    ("log_sum", {"strength": 0.3, "epsilon": 0.2}),
    ("nuclear", {"strength": 0.4}),
    ("total_variation", {"strength": 0.2, "axis": -1}),
    ("spectral", {"strength": 0.7}),
    ("spectral", {"strength": 0.7, "bound": 1.5}),
    ("orthogonal", {"strength": 0.3}),
    ("activity", {"l1": 0.3, "l2": 0.6}),
    ("l2_sp", {"strength": 0.7, "anchor": _ANCHOR}),
]
# What has no proximal operator.
PENALTIES_ONLY = {"spectral", "orthogonal", "activity"}
_WITH_PROX = [pair for pair in _PENALTY_ARGUMENTS if pair[0] not in PENALTIES_ONLY]
# Total variation compiles slowly, and has its own test of this; an anchor is no identity in a metric.
_WITH_PROX_ZEROED = [pair for pair in _WITH_PROX if pair[0] not in {"total_variation", "l2_sp"}]


def _zeroed(arguments: dict[str, Any]) -> dict[str, Any]:
    return {k: 0.0 if k in {"strength", "l1", "l2", "group"} else v for k, v in arguments.items()}


PENALTIES = [Case(f"penalties.{name}", arguments) for name, arguments in _PENALTY_ARGUMENTS]
PROX = [
    *(Case(f"prox.{name}", arguments | {"step_size": 0.8}) for name, arguments in _WITH_PROX),
    *(Case(f"prox.{name}", _zeroed(arguments), "no strength") for name, arguments in _WITH_PROX_ZEROED),
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
    Case("projections.spectral_norm", {"bound": 0.9}),
    Case("projections.orthogonal", {}),
]
TREE_CASES = [*PENALTIES, *PROX, *PROJECTIONS]

REGULARIZERS = [
    regularizers.l1(0.3),
    regularizers.l2(0.3, mask="**/kernel"),
    regularizers.l0(0.1),
    regularizers.elastic_net(0.2, 0.3),
    regularizers.group_lasso(0.2, axis=0),
    regularizers.sparse_group_lasso(0.1, 0.2, axis=0),
    regularizers.huber(0.3, delta=0.5),
    regularizers.mcp(0.3, gamma=3.0),
    regularizers.scad(0.3),
    regularizers.log_sum(0.3, epsilon=0.5),
    regularizers.nuclear(0.3, mask="**/kernel"),
    regularizers.total_variation(0.3, axis=0),
    regularizers.orthogonal(0.3),
    regularizers.spectral(0.3, bound=0.5),
    regularizers.activity(0.2, 0.3),
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
    constraints.spectral_norm(0.9),
    constraints.orthogonal(),
    constraints.intersection(constraints.max_norm(0.9, mask="kernel"), constraints.non_negative(), num_iterations=9),
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
    "proximal": lambda: transforms.proximal(optax.sgd(0.1), regularizers.l1(0.3, mask="**/kernel"), 0.1),
    "proximal-metric": lambda: transforms.proximal(
        optax.rmsprop(0.1), regularizers.group_lasso(0.3, axis=0), 0.1, metric=transforms.rmsprop_metric()
    ),
    "proximal_adam": lambda: transforms.proximal_adam(0.1, regularizers.sparse_group_lasso(0.1, 0.2, axis=-1)),
    "proximal_adam-options": lambda: transforms.proximal_adam(
        optax.linear_schedule(0.1, 0.01, 5),
        regularizers.by_path({"kernel": regularizers.elastic_net(0.3, 0.1), "bias": None}),
        weight_decay=0.1,
        mask="**/kernel",
        nesterov=True,
    ),
    "proximal_adam-amsgrad": lambda: transforms.proximal_adam(0.1, regularizers.l1(0.3), amsgrad=True),
    "proximal_sgd": lambda: transforms.proximal_sgd(0.1, regularizers.l1(0.3)),
    "proximal_sgd-momentum": lambda: transforms.proximal_sgd(
        optax.linear_schedule(0.1, 0.01, 5), regularizers.l1(0.3), momentum=0.5, nesterov=True
    ),
    "proximal_sgd-accelerated": lambda: transforms.proximal_sgd(0.1, regularizers.l1(0.3), accelerated=True),
    "project": lambda: transforms.project(constraints.max_norm(0.9)),
    "project-by-path": lambda: transforms.project(CONSTRAINTS[-1]),
    "project-intersection": lambda: transforms.project(
        constraints.intersection(constraints.max_norm(0.9), constraints.non_negative(), num_iterations=9)
    ),
}


def _block(mode: str) -> Callable[..., Any]:
    return lambda key, x, rate=0.4: stochastic.residual_block(key, jnp.sin, x, rate, mode=mode)


# Functions of a key, an array and a rate; what follows the name tells cases of one function apart.
STOCHASTIC: dict[str, Callable[..., Any]] = {
    "dropout": lambda key, x, rate=0.4: stochastic.dropout(key, x, rate),
    "dropout shared": lambda key, x, rate=0.4: stochastic.dropout(key, x, rate, broadcast_dims=(-1,)),
    "dropout with 16 bits": lambda key, x, rate=0.4: stochastic.dropout(key, x, rate, bits=16),
    "dropout with 8 bits, recomputed": lambda key, x, rate=0.4: stochastic.dropout(
        key, x, rate, bits=8, recompute=True
    ),
    "gaussian_dropout": lambda key, x, rate=0.4: stochastic.gaussian_dropout(key, x, rate),
    "gaussian_noise": lambda key, x, rate=0.4: stochastic.gaussian_noise(key, x, rate),
    "alpha_dropout": lambda key, x, rate=0.4: stochastic.alpha_dropout(key, x, rate),
    "feature_alpha_dropout": lambda key, x, rate=0.4: stochastic.feature_alpha_dropout(key, x, rate),
    "embedding_dropout": lambda key, x, rate=0.4: stochastic.embedding_dropout(key, x, rate),
    "drop_block": lambda key, x, rate=0.4: stochastic.drop_block(key, x[None], rate, block_size=2)[0],
    "drop_block options": lambda key, x, rate=0.4: stochastic.drop_block(
        key, x[None], rate, block_size=(3,), couple_channels=False, normalize="realized"
    )[0],
    "drop_connect": lambda key, x, rate=0.4: stochastic.drop_connect(key, {"w": x}, rate)["w"],
    "stochastic_depth": lambda key, x, rate=0.4: stochastic.stochastic_depth(key, x, rate),
    "stochastic_depth batch": lambda key, x, rate=0.4: stochastic.stochastic_depth(key, x, rate, mode="batch"),
    **{f"residual_block {mode}": _block(mode) for mode in ("row", "batch", "subset", "skip")},
}


def _noisy_logits(key: jax.Array, x: jax.Array) -> jax.Array:
    return x + jax.random.normal(key, x.shape)


_STOPPING = stopping.early_stopping(patience=1)
_SAMPLES = jnp.full((5, 2, 3), 1 / 3)
_IMAGES = jnp.full((4, 5, 6, 3), 100, jnp.uint8)
# A row as it should be, one without a label, one with an impossible class that is masked, one without a valid class.
_LOGITS = jnp.array([[1.5, -0.2, 0.0], [0.3, 0.3, 0.3], [2.0, -1.0, -jnp.inf], [0.0, 1.0, 2.0]])
_LABELS = np.array([0, -1, 1, 2])
_VALID = np.array([[True] * 3, [True] * 3, [True, True, False], [False] * 3])

# Everything else that is public, as a call without arguments; its result may hold anything.
_SQUARES = {"kernel": jnp.array([0.25, 4.0])}
_COUNT = jnp.int32(3)

OTHERS: dict[str, Callable[[], Any]] = {
    "augment.compose": lambda: augment.compose(augment.random_flip, augment.random_crop)(jax.random.key(0), _IMAGES),
    "augment.cutmix": lambda: augment.cutmix(
        jax.random.key(0), _IMAGES, jnp.arange(4), 0.3, num_classes=4, where=jnp.arange(4) < 3
    ),
    "augment.cutout": lambda: augment.cutout(jax.random.key(0), _IMAGES, (2, 3), fill=7),
    "augment.gaussian_noise": lambda: augment.gaussian_noise(
        jax.random.key(0), jnp.ones((4, 3)), jnp.linspace(0.0, 1.0, 4), clip=(0.0, 1.5)
    ),
    "augment.mixup": lambda: augment.mixup(
        jax.random.key(0), jnp.ones((4, 3)), jnp.arange(4), jnp.float32(0.0), num_classes=4, where=jnp.arange(4) < 3
    ),
    "augment.per_example": lambda: augment.per_example(_noisy_logits, sequential=True)(
        jax.random.key(0), jnp.ones((2, 3))
    ),
    "augment.rand_augment": lambda: augment.rand_augment(
        jax.random.key(0), jnp.ones((2, 4, 4, 3), jnp.bfloat16), operations=("rotate", "equalize"), fill=(0.1, 0.2, 0.3)
    ),
    "augment.random_affine": lambda: augment.random_affine(
        jax.random.key(0), jnp.ones((4, 5, 6, 3), jnp.bfloat16), rotation=jnp.float32(30), shift=0.1, mode="reflect"
    ),
    "augment.random_apply": lambda: augment.random_apply(_noisy_logits, 0.5)(jax.random.key(0), jnp.ones(3)),
    "augment.random_choice": lambda: augment.random_choice([_noisy_logits] * 2, weights=(1, 0))(
        jax.random.key(0), jnp.ones(3)
    ),
    "augment.random_crop": lambda: augment.random_crop(jax.random.key(0), _IMAGES, padding=2, fill=7),
    "augment.random_erasing": lambda: augment.random_erasing(
        jax.random.key(0), jnp.ones((4, 5, 6, 3)), fill="normal_color"
    ),
    "augment.random_flip": lambda: augment.random_flip(jax.random.key(0), _IMAGES, axis=(1, 2)),
    "augment.spec_augment": lambda: augment.spec_augment(
        jax.random.key(0),
        jnp.ones((2, 5, 4)),
        num_time_masks=2,
        max_time=3,
        num_frequency_masks=1,
        max_frequency=2,
        fill="mean",
        lengths=jnp.array([5, 0]),
    ),
    "augment.token_dropout": lambda: augment.token_dropout(
        jax.random.key(0), jnp.ones((2, 5), jnp.int32), 0.5, mask_token=0, where=jnp.ones((2, 5), bool)
    ),
    "diagnostics.describe": lambda: diagnostics.describe(REGULARIZERS[0], tree()),
    "diagnostics.group_sparsity": lambda: diagnostics.group_sparsity(tree(), 1, mask="kernel"),
    "diagnostics.norms": lambda: diagnostics.norms(tree()),
    "diagnostics.optimality": lambda: diagnostics.optimality(REGULARIZERS[5], tree(), tree()),
    "diagnostics.scalars": lambda: diagnostics.scalars(
        tree(), regularizer=REGULARIZERS[5], constraint=constraints.non_negative(), gradients=tree(), updates=tree()
    ),
    "diagnostics.sparsity": lambda: diagnostics.sparsity(tree()),
    "losses.confidence_penalty": lambda: losses.confidence_penalty(_LOGITS, threshold=0.5, where=_VALID),
    "losses.jensen_shannon": lambda: losses.jensen_shannon([_LOGITS, 0.5 * _LOGITS], where=_VALID),
    "losses.label_noise": lambda: losses.label_noise(jax.random.key(0), _LABELS, 0.3, num_classes=3),
    "losses.sigmoid_cross_entropy": lambda: losses.sigmoid_cross_entropy(
        _LOGITS[:, 0], np.array([0, 1, -1, 1]), label_smoothing=0.1
    ),
    "losses.smooth_labels": lambda: losses.smooth_labels(_LABELS, 0.1, num_classes=3, where=_VALID),
    "losses.softmax_cross_entropy": lambda: losses.softmax_cross_entropy(
        _LOGITS, _LABELS, label_smoothing=0.1, where=_VALID
    ),
    "losses.symmetric_kl": lambda: losses.symmetric_kl(_LOGITS, 0.5 * _LOGITS, where=_VALID),
    "masks.all_of": lambda: masks.resolve(masks.all_of("*", masks.min_ndim(2)), tree()),
    "masks.as_mask": lambda: masks.as_mask("*").selected(tree()),
    "masks.exclude": lambda: masks.resolve(masks.exclude("bias"), tree()),
    "masks.first_match": lambda: masks.resolve(masks.first_match("bias", "*")[1], tree()),
    "masks.min_ndim": lambda: masks.resolve(masks.min_ndim(2), tree()),
    "masks.no_bias_or_norm": lambda: masks.resolve(masks.no_bias_or_norm(), tree()),
    "masks.path": lambda: masks.resolve(masks.path("bias"), tree()),
    "masks.resolve": lambda: masks.resolve(None, tree()),
    "masks.select": lambda: masks.select("kernel", tree()),
    "pruning.remove_zero_units": lambda: pruning.remove_zero_units(
        {"a": tree(), "b": {"kernel": tree()["kernel"].T}}, ["a", "b"], activation=jnp.tanh
    ),
    "projections.intersection": lambda: projections.intersection(
        tree(), [projections.non_negative, lambda t: projections.l2_ball(t, 1.0)], num_iterations=2
    ),
    "stochastic.concrete_dropout": lambda: stochastic.concrete_dropout(jax.random.key(0), jnp.ones((4, 3)), -1.0),
    "stochastic.concrete_dropout_penalty": lambda: stochastic.concrete_dropout_penalty(tree(), -1.0, num_features=4),
    "stochastic.masksembles": lambda: stochastic.masksembles(jnp.ones((5, 8)), stochastic.masksembles_masks(8, 4, 2.0)),
    "stochastic.masksembles_masks": lambda: stochastic.masksembles_masks(8, 4, 2.0),
    "sensitivity.gradient_penalty": lambda: regjax.sensitivity.gradient_penalty(
        lambda x: jnp.sum(jnp.sin(x), -1), jnp.eye(3), target_norm=1.0
    ),
    "sensitivity.jacobian_penalty": lambda: regjax.sensitivity.jacobian_penalty(
        jnp.sin, jnp.eye(3), key=jax.random.key(0), num_projections=2
    ),
    "sensitivity.spectral_penalty": lambda: regjax.sensitivity.spectral_penalty(jnp.sin, jax.random.key(0), jnp.eye(3)),
    "sensitivity.virtual_adversarial": lambda: regjax.sensitivity.virtual_adversarial(
        jnp.sin, jax.random.key(0), jnp.eye(3), epsilon=0.5
    ),
    "sensitivity.warm_spectral_penalty": lambda: regjax.sensitivity.warm_spectral_penalty(
        jnp.sin, jnp.ones((3, 3)), jnp.eye(3), num_steps=2
    ),
    "stochastic.stochastic_depth_rates": lambda: stochastic.stochastic_depth_rates(3, 0.5),
    "stopping.early_stopping": lambda: _STOPPING.update(_STOPPING.init(), 1.0),
    "transforms.freeze_when_stopped": lambda: transforms.freeze_when_stopped(_STOPPING).update(
        tree(), transforms.freeze_when_stopped(_STOPPING).init(tree()), value=1.0
    ),
    "transforms.apply_updates_stochastic_rounding": lambda: transforms.apply_updates_stochastic_rounding(
        jax.random.key(0), tree(jnp.bfloat16), tree()
    ),
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
    "transforms.adabelief_metric": lambda: transforms.adabelief_metric().diagonal(
        optax.ScaleByBeliefState(_COUNT, _SQUARES, _SQUARES)
    ),
    "transforms.adagrad_metric": lambda: transforms.adagrad_metric().diagonal(optax.ScaleByRssState(_SQUARES)),
    "transforms.adam_metric": lambda: transforms.adam_metric().diagonal(
        optax.ScaleByAdamState(_COUNT, _SQUARES, _SQUARES)
    ),
    "transforms.amsgrad_metric": lambda: transforms.amsgrad_metric().diagonal(
        optax.ScaleByAmsgradState(_COUNT, _SQUARES, _SQUARES, _SQUARES)
    ),
    "transforms.rmsprop_metric": lambda: transforms.rmsprop_metric().diagonal(optax.ScaleByRmsState(_SQUARES)),
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
