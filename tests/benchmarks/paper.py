"""The memory traffic of a step on more parameters than fit here, as the compiler counts it: nothing is run.

Each parameter takes at least 28 bytes in float32: the gradient, both moments and the parameter are read, and all but
the gradient are written. XLA:CPU computes the moments and the parameter in passes of their own, which makes 40.

XLA counts the body of a loop once. The loops of `max_norm` on a CPU go through arrays in slices, so that here they are
counted as one pass over what they are given; those without a trip count are never entered, and count nothing.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax import constraints, regularizers, transforms
from tests.benchmarks.measure import Row
from tests.benchmarks.optimizers import RATE, Optimizer, l1_step

FLOOR = 28
OURS: dict[str, Callable[[], Optimizer]] = {
    "AdamW + decay + L1 prox": l1_step,
    "proximal_adam(l1)": lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4)),
    "AdamW + max_norm(axis=0)": lambda: optax.chain(
        optax.adamw(RATE), transforms.project(constraints.max_norm(1.0, axis=0))
    ),
}
LOOP = re.compile(r"= \((?P<carry>[^)]*)\) while\((?P<rest>.*)")
FLOATS = re.compile(r"f32\[(\d+(?:,\d+)*)\]")


def transformer(width: int, layers: int, vocabulary: int) -> Any:
    """Returns the shapes of the parameters of a transformer."""

    def array(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    layer = {
        **{name: {"kernel": array(width, width)} for name in ("query", "key", "value", "out")},
        "up": {"kernel": array(width, 4 * width), "bias": array(4 * width)},
        "down": {"kernel": array(4 * width, width), "bias": array(width)},
        "norm": {"scale": array(width)},
    }
    return {"embedding": array(vocabulary, width), **{f"layer_{index}": layer for index in range(layers)}}


def step_bytes(tx: Optimizer, params: Any) -> tuple[float, float]:
    """Returns the bytes that a compiled step moves, and those that it needs beside its arguments and results."""

    def step(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    state = jax.eval_shape(tx.init, params)
    compiled: Any = jax.jit(step, donate_argnums=(0, 1)).lower(params, state, params).compile()
    moved = compiled.cost_analysis()["bytes accessed"] + sum(map(uncounted, LOOP.finditer(compiled.as_text())))
    return moved, compiled.memory_analysis().temp_size_in_bytes


def uncounted(loop: re.Match[str]) -> int:
    """Returns the bytes that XLA's count of one round of a loop leaves out; negative where it counts too many."""
    one_pass = 4 * sum(math.prod(map(int, shape.split(","))) for shape in FLOATS.findall(loop["carry"]))
    # A round of a loop that is never entered would read and write what it is given.
    return one_pass if "known_trip_count" in loop["rest"] else -2 * one_pass


def rows(quick: bool) -> Iterator[Row]:
    """Counts bytes for each parameter."""
    params = transformer(512, 1, 1024) if quick else transformer(1792, 24, 50304)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    where = f"{size / 1e9:.3f} billion parameters"
    base, _ = (count / size for count in step_bytes(optax.adamw(RATE), params))
    yield Row(f"optax.adamw, {where}", base, FLOOR, "floor", base / FLOOR, unit="B/param")
    for name, make in OURS.items():
        moved, temporary = (count / size for count in step_bytes(make(), params))
        yield Row(f"{name}, {where}", moved, base, "optax.adamw", moved / base, unit="B/param")
        yield Row(f"{name}, temporary memory", round(temporary, 3), None, "", None, unit="B/param")
