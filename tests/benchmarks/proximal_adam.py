"""The cost of a step of `proximal_adam`, as a ratio to one of `optax.adamw`.

Run it on purpose, on a machine that does nothing else: `python -m tests.benchmarks.proximal_adam`. The optimizers take
turns in one process, with donated parameters and states as in training; printed are medians and ratios of medians.
"""

import argparse
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax import regularizers, transforms

# 16 million parameters in the kernels of many layers, and in one.
LAYOUTS = {"16 x (1024, 1024)": [(1024, 1024)] * 16, "(4096, 4096)": [(4096, 4096)]}
RATE = 1e-3
OPTIMIZERS = {
    "optax.adamw": lambda: optax.adamw(RATE),
    "optax.adam": lambda: optax.adam(RATE),
    "proximal_adam(l1)": lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4)),
    "proximal_adam(l1), decay": lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4), weight_decay=1e-4),
    "proximal_adam(group_lasso, axis=0)": lambda: transforms.proximal_adam(
        RATE, regularizers.group_lasso(1e-4, axis=0)
    ),
    "proximal_adam(group_lasso, axis=1)": lambda: transforms.proximal_adam(
        RATE, regularizers.group_lasso(1e-4, axis=1)
    ),
    "adam, proximal_step(group_lasso, axis=0)": lambda: optax.chain(
        optax.adam(RATE), transforms.proximal_step(regularizers.group_lasso(1e-4, axis=0), RATE)
    ),
}


class Training:
    """A compiled step with the parameters and the state that it moves."""

    def __init__(self, tx: optax.GradientTransformation, shapes: list[tuple[int, ...]]) -> None:
        self.params: Any = [0.05 * jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes)]
        self.gradients = jax.tree.map(lambda w: 0.3 * jnp.sin(37 * w) + 0.01, self.params)
        self.state: Any = tx.init(self.params)

        def step(params: Any, state: Any, gradients: Any) -> Any:
            updates, state = tx.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def seconds(self) -> float:
        """Takes a step and returns how long it took."""
        start = time.perf_counter()
        self.params, self.state = jax.block_until_ready(self.step(self.params, self.state, self.gradients))
        return time.perf_counter() - start


def main() -> None:
    """Prints a table for each layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="steps of each optimizer (20)")
    rounds = parser.parse_args().rounds
    for layout, shapes in LAYOUTS.items():
        trainings = {name: Training(make(), shapes) for name, make in OPTIMIZERS.items()}
        for training in trainings.values():
            training.seconds(), training.seconds()
        times: dict[str, list[float]] = {name: [] for name in trainings}
        for _ in range(rounds):
            for name, training in trainings.items():
                times[name].append(training.seconds())
        base = statistics.median(times["optax.adamw"])
        print(f"\n{layout:40}  {'ms':>7}  {'ratio':>5}  spread")
        for name, some in times.items():
            low, *_, high = statistics.quantiles(some, n=10)
            print(f"{name:40}  {1e3 * statistics.median(some):7.1f}  {statistics.median(some) / base:5.2f}", end="  ")
            print(f"{low / base:.2f} to {high / base:.2f}")


if __name__ == "__main__":
    main()
