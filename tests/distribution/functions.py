"""Every function that computes with arrays, as a function of a tree of parameters and a key."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regjax import (
    augment,
    diagnostics,
    losses,
    projections,
    regularizers,
    sensitivity,
    stochastic,
    stopping,
    uncertainty,
)
from regjax._src.ghost_batch_norm import Statistics, ghost_batch_norm
from tests import cases

Function = Callable[[dict[str, Any], jax.Array], Any]
_STOPPING = stopping.early_stopping(patience=1, keep_best=True)
_VALUES = [rule for rule in cases.REGULARIZERS if getattr(rule, "name", "") != "l2_sp"]  # its anchor has one shape


def _half(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: 0.5 * leaf, tree)


def _case(case: cases.Case) -> Function:
    def call(tree: Any, _: jax.Array) -> Any:
        return case(tree, **({"anchor": _half(tree)} if "anchor" in case.arguments else {}))

    return call


def _two_steps(make: Callable[[], optax.GradientTransformationExtraArgs]) -> Function:
    def call(tree: Any, _: jax.Array) -> Any:
        tx = make()
        params, state = tree, tx.init(tree)
        for _ in range(2):
            updates, state = tx.update(_half(tree), state, params, value=jnp.float32(1))
            params = optax.apply_updates(params, updates)
        return params

    return call


def _on_kernel(function: Callable[..., Any]) -> Function:
    return lambda tree, key: function(key, tree["kernel"])


def _noisy(key: jax.Array, x: jax.Array) -> jax.Array:
    return x + jax.random.normal(key, x.shape)


def _network(x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ jnp.linspace(-1.0, 1.0, x.shape[-1] * 3).reshape(-1, 3))


def _images(x: jax.Array) -> jax.Array:
    return x[:, :, None, None] * jnp.linspace(0.5, 1.0, 4)[:, None] * jnp.linspace(0.5, 1.0, 3)


def _adversarial(key: jax.Array, x: jax.Array) -> jax.Array:
    return sensitivity.virtual_adversarial(_network, key, x, epsilon=0.5, num_steps=2)


def _stop(tree: Any, _: jax.Array) -> Any:
    state = _STOPPING.init(tree)
    for scale in (1.0, 0.5, 0.7):
        state = _STOPPING.update(state, scale * jnp.mean(tree["kernel"] ** 2), _half(tree))
    return state


OPERATORS: dict[str, Function] = {
    **{str(case): _case(case) for case in cases.TREE_CASES},
    **{
        f"optimality of {rule}": lambda tree, _, r=rule: diagnostics.optimality(r, tree, _half(tree))
        for rule in _VALUES[:6]
    },
    **{f"violation of {rule}": lambda tree, _, r=rule: r.violation(tree) for rule in cases.CONSTRAINTS},
    "group_lasso prox, metric": lambda tree, _: regularizers.group_lasso(0.2, axis=0).prox(
        tree, 0.5, metric=jax.tree.map(lambda leaf: 1 + leaf**2, tree)
    ),
    "intersection": lambda tree, _: projections.intersection(
        tree, [projections.non_negative, lambda t: projections.l2_ball(t, 1.0)], num_iterations=3
    ),
    "norms": lambda tree, _: diagnostics.norms(tree).total,
    "sparsity": lambda tree, _: diagnostics.sparsity(tree).total,
    "group_sparsity": lambda tree, _: diagnostics.group_sparsity(tree, 0, mask="kernel").total,
    "early_stopping": _stop,
}
# What has an anchor or a metric of one shape has its own tests.
STEPS: dict[str, Function] = {
    name: _two_steps(make)
    for name, make in cases.TRANSFORMS.items()
    if name not in {"decoupled_weight_decay-anchor-tree", "proximal_step-metric"}
}
STOCHASTIC: dict[str, Function] = {
    **{name: _on_kernel(function) for name, function in cases.STOCHASTIC.items()},
    "concrete_dropout": _on_kernel(lambda key, x: stochastic.concrete_dropout(key, x, -1.0)),
    "gradient of skip": _on_kernel(
        lambda key, x: jax.grad(lambda x: jnp.sum(stochastic.residual_block(key, jnp.sin, x, 0.4, mode="skip") ** 2))(x)
    ),
}
MODELS: dict[str, Function] = {
    "masksembles": _on_kernel(
        lambda _, x: stochastic.masksembles(x, stochastic.masksembles_masks(x.shape[-1], 2, 2.0))
    ),
    "mc_samples": _on_kernel(lambda key, x: uncertainty.mc_samples(_noisy, key, x, num_samples=4, batch_size=2)),
    "mc_classify": _on_kernel(lambda key, x: uncertainty.mc_classify(_noisy, key, x, num_samples=4, batch_size=2)),
    "mc_regress": _on_kernel(lambda key, x: uncertainty.mc_regress(_noisy, key, x, num_samples=3)),
    "predictive_entropy": _on_kernel(lambda _, x: uncertainty.predictive_entropy(jax.nn.softmax(_images(x)))),
    "mutual_information": _on_kernel(lambda _, x: uncertainty.mutual_information(jax.nn.softmax(_images(x)))),
    "jacobian_penalty": _on_kernel(lambda _, x: sensitivity.jacobian_penalty(_network, x)),
    "jacobian_penalty, projected": _on_kernel(
        lambda key, x: sensitivity.jacobian_penalty(_network, x, key=key, num_projections=2)
    ),
    "jacobian_penalty, forward": _on_kernel(lambda _, x: sensitivity.jacobian_penalty(_network, x, mode="forward")),
    "gradient_penalty": _on_kernel(
        lambda _, x: sensitivity.gradient_penalty(lambda x: jnp.sum(_network(x), -1), x, target_norm=1.0)
    ),
    "spectral_penalty": _on_kernel(lambda key, x: sensitivity.spectral_penalty(_network, key, x)),
    "virtual_adversarial": _on_kernel(_adversarial),
    "gradient of virtual_adversarial": _on_kernel(lambda key, x: jax.grad(lambda x: _adversarial(key, x))(x)),
    "softmax_cross_entropy": _on_kernel(
        lambda _, x: losses.softmax_cross_entropy(x, jnp.argmax(x, -1), label_smoothing=0.1)
    ),
    "gradient of softmax_cross_entropy": _on_kernel(
        lambda _, x: jax.grad(lambda x: losses.softmax_cross_entropy(x, jnp.zeros(len(x), int)).mean())(x)
    ),
    "sigmoid_cross_entropy": _on_kernel(lambda _, x: losses.sigmoid_cross_entropy(x, jnp.ones_like(x))),
    "confidence_penalty": _on_kernel(lambda _, x: losses.confidence_penalty(x)),
    "symmetric_kl": _on_kernel(lambda _, x: losses.symmetric_kl(x, 0.5 * x)),
    "jensen_shannon": _on_kernel(lambda _, x: losses.jensen_shannon([x, 0.5 * x])),
    "smooth_labels": _on_kernel(lambda _, x: losses.smooth_labels(jax.nn.softmax(x), 0.1)),
    "label_noise": _on_kernel(lambda key, x: losses.label_noise(key, jnp.argmax(x, -1), 0.3, num_classes=x.shape[-1])),
    "mixup": _on_kernel(lambda key, x: augment.mixup(key, x, jnp.abs(x), 0.3)),
    "cutmix": _on_kernel(lambda key, x: augment.cutmix(key, _images(x), jnp.abs(x), 0.3)),
    "cutout": _on_kernel(lambda key, x: augment.cutout(key, _images(x), (2, 3))),
    "augment.gaussian_noise": _on_kernel(lambda key, x: augment.gaussian_noise(key, x, 0.5)),
    "random_erasing": _on_kernel(lambda key, x: augment.random_erasing(key, _images(x))),
    "random_flip": _on_kernel(lambda key, x: augment.random_flip(key, _images(x))),
    "spec_augment": _on_kernel(
        lambda key, x: augment.spec_augment(
            key, _images(x)[..., 0], num_time_masks=1, max_time=2, num_frequency_masks=1, max_frequency=2
        )
    ),
    "token_dropout": _on_kernel(
        lambda key, x: augment.token_dropout(key, jnp.round(9 * x).astype(int), 0.5, mask_token=-1)
    ),
    "random_apply": _on_kernel(lambda key, x: augment.random_apply(_noisy, 0.5)(key, x)),
    "random_choice": _on_kernel(lambda key, x: augment.random_choice([_noisy, lambda _, x: -x])(key, x)),
}


def _ghost_batch_norm(key: jax.Array, x: jax.Array) -> Any:
    features = jnp.zeros(x.shape[-1])
    options = {"axis": -1, "momentum": 0.9, "epsilon": 1e-5, "use_fast_variance": False, "mask": None}
    return ghost_batch_norm(
        x,
        Statistics(features, features + 1),
        features + 2,
        features,
        virtual_batch_size=4,
        axis_name=None,
        axis_index_groups=None,
        **options,
    )


# On meshes with explicit axes JAX refuses to map over what is not sharded alike, and to cut what is sharded.
MAPPED: dict[str, Function] = {
    "random_crop": _on_kernel(lambda key, x: augment.random_crop(key, _images(x), padding=1)),
    "random_affine": _on_kernel(lambda key, x: augment.random_affine(key, _images(x), rotation=30, shift=0.1)),
    "per_example": _on_kernel(lambda key, x: augment.per_example(_noisy)(key, x)),
    "per_example sequential": _on_kernel(lambda key, x: augment.per_example(_noisy, sequential=True)(key, x)),
    "rand_augment": _on_kernel(lambda key, x: augment.rand_augment(key, _images(x), operations=("rotate", "identity"))),
    "ghost_batch_norm": _on_kernel(_ghost_batch_norm),
}
ALL = OPERATORS | STEPS | STOCHASTIC | MODELS | MAPPED


def parameters() -> dict[str, np.ndarray]:
    """Returns a tree that a mesh of 4 x 2 divides; some groups are small enough to vanish."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(16, 8)) * np.repeat([0.02, 1, 1, 2], 4)[:, None] * np.repeat([0.02, 1], 4)
    return {"bias": random.normal(size=8).astype(np.float32), "kernel": kernel.astype(np.float32)}
