"""What a program of many leaves costs before it runs: tracing, lowering and compiling a step."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax import constraints, regularizers, transforms
from tests.benchmarks.measure import Row, compare

RATE = 1e-3
PEER = "optax.adamw"
OPTIMIZERS = {
    PEER: (lambda: optax.adamw(RATE), ""),
    "AdamW + decay + L1 prox": (
        lambda: optax.chain(
            optax.scale_by_adam(),
            transforms.decoupled_weight_decay(1e-4, mask="**/kernel"),
            optax.scale_by_learning_rate(RATE),
            transforms.proximal_step(regularizers.l1(1e-4), RATE),
        ),
        "<= 1.2",
    ),
    "proximal_adam(l1)": (lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4)), "<= 1.2"),
    "AdamW + max_norm": (
        lambda: optax.chain(optax.adamw(RATE), transforms.project(constraints.max_norm(1.0))),
        "<= 1.2",
    ),
    "proximal_adam(group_lasso)": (
        lambda: transforms.proximal_adam(RATE, regularizers.group_lasso(1e-4, axis=0, mask="**/kernel")),
        "<= 1.2",
    ),
}


def before_running(tx: optax.GradientTransformation, params: Any) -> tuple[float, float]:
    """Returns the seconds until a step is lowered, and until it is compiled."""
    state = jax.eval_shape(tx.init, params)

    def step(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    start = time.perf_counter()
    lowered = jax.jit(step).trace(params, state, params).lower()
    middle = time.perf_counter() - start
    lowered.compile()
    return middle, time.perf_counter() - start


def rows(quick: bool) -> Iterator[Row]:
    """Measures each optimizer, in turn, on a tree of many small leaves and on one of kernels as large models have."""
    yield from _rows_of((16, 8), 20 if quick else 500, 1 if quick else 2, OPTIMIZERS)
    # What is asked is asked of small leaves. Norms and groups of large ones are loops, and those take long to compile.
    elementwise = ("AdamW + decay + L1 prox", "proximal_adam(l1)")
    large = {name: (make, asked if name in elementwise else "") for name, (make, asked) in OPTIMIZERS.items()}
    yield from _rows_of((1024, 1024), 2 if quick else 150, 1, large)


def _rows_of(shape: tuple[int, int], layers: int, rounds: int, optimizers: dict[str, Any]) -> Iterator[Row]:
    params = {
        f"layer{i}": {
            "kernel": jax.ShapeDtypeStruct(shape, jnp.float32),
            "bias": jax.ShapeDtypeStruct(shape[-1:], jnp.float32),
        }
        for i in range(layers)
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in optimizers}
    for _ in range(rounds + 1):  # the first does not count
        for name, (make, _) in optimizers.items():
            times[name].append(before_running(make(), params))
    tree = f"{2 * layers} leaves, kernels {shape[0]}x{shape[1]}"
    for name, (_, asked) in optimizers.items():
        if name != PEER:
            for part, what, bound in ((0, "until lowered", ""), (1, "until compiled", asked)):
                ours, peer = ([pair[part] for pair in times[some][1:]] for some in (name, PEER))
                yield compare(f"{what}, {tree}: {name}", ours, peer, PEER, bound)
