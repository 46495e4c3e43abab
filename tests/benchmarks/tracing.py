"""What a program of a thousand leaves costs before it runs: tracing, lowering and compiling a step."""

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
    """Measures each optimizer, in turn."""
    count, rounds = (20, 1) if quick else (500, 2)
    params = {
        f"layer{i}": {"kernel": jax.ShapeDtypeStruct((16, 8), jnp.float32), "bias": jax.ShapeDtypeStruct((8,), "f4")}
        for i in range(count)
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in OPTIMIZERS}
    for _ in range(rounds + 1):  # the first does not count
        for name, (make, _) in OPTIMIZERS.items():
            times[name].append(before_running(make(), params))
    for name, (_, asked) in OPTIMIZERS.items():
        if name != PEER:
            for part, what, bound in ((0, "trace and lower", ""), (1, "trace, lower and compile", asked)):
                ours, peer = ([pair[part] for pair in times[some][1:]] for some in (name, PEER))
                yield compare(f"{what}, {2 * count} leaves: {name}", ours, peer, PEER, bound)
