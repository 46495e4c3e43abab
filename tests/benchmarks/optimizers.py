"""The cost of a step of our optimizers, as a ratio to one of `optax.adamw`."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import optax

from regjax import constraints, regularizers, transforms
from tests.benchmarks.measure import Row, alternate, compare

RATE = 1e-3
Shapes = list[tuple[int, ...]]
Optimizer = optax.GradientTransformation

# 16 million parameters in the kernels of many layers, in convolutions, and in one.
LAYOUTS: dict[str, Shapes] = {
    "16 x (1024, 1024)": [(1024, 1024)] * 16,
    "28 x (3, 3, 256, 256)": [(3, 3, 256, 256)] * 28,
    "(4096, 4096)": [(4096, 4096)],
}
QUICK: dict[str, Shapes] = {"2 x (64, 64)": [(64, 64)] * 2, "(3, 3, 8, 8)": [(3, 3, 8, 8)]}


def l1_step() -> Optimizer:
    """AdamW whose L1 is a Euclidean step of the operator, with decoupled decay of ours."""
    return optax.chain(
        optax.scale_by_adam(),
        transforms.decoupled_weight_decay(1e-4),
        optax.scale_by_learning_rate(RATE),
        transforms.proximal_step(regularizers.l1(1e-4), RATE),
    )


def projected(axis: Any = 0) -> Callable[[], Optimizer]:
    """AdamW with units of bounded norm."""
    return lambda: optax.chain(optax.adamw(RATE), transforms.project(constraints.max_norm(1.0, axis=axis)))


def grouped(axis: Any) -> Callable[[], Optimizer]:
    """Adam with groups that vanish in its metric."""
    return lambda: transforms.proximal_adam(RATE, regularizers.group_lasso(1e-4, axis=axis))


Candidates = dict[str, tuple[Callable[[], Optimizer], str]]


def candidates(shape: tuple[int, ...], many: bool) -> Candidates:
    """Returns what is measured on kernels of this shape, with what is asked of it."""
    inputs, outputs = ((0, 1, 2), (0, 1, 3)) if len(shape) == 4 else (0, 1)
    bound = "<= 2.6" if not many else "<= 2.1" if len(shape) == 4 else "<= 1.6"
    return {
        "AdamW + decay + L1 prox": (l1_step, "<= 1.05"),
        "proximal_adam(l1)": (lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4)), "<= 1.05"),
        f"proximal_adam(group_lasso, axis={inputs})": (grouped(inputs), "<= 8"),
        f"proximal_adam(group_lasso, axis={outputs})": (grouped(outputs), "<= 8"),
        f"AdamW + max_norm(axis={inputs})": (projected(inputs), bound),
        f"AdamW + max_norm(axis={outputs})": (projected(outputs), ""),
    }


class Training:
    """A compiled step with the parameters and the state that it moves, donated as in training."""

    def __init__(self, tx: Optimizer, shapes: Shapes) -> None:
        self.params: Any = [0.05 * jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes)]
        self.gradients = jax.tree.map(lambda w: 0.3 * jax.numpy.sin(37 * w) + 0.01, self.params)
        self.state: Any = tx.init(self.params)

        def step(params: Any, state: Any, gradients: Any) -> Any:
            updates, state = tx.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def __call__(self) -> Any:
        """Takes a step."""
        self.params, self.state = self.step(self.params, self.state, self.gradients)
        return self.params, self.state


def rows(quick: bool) -> Iterator[Row]:
    """Measures each optimizer on each layout."""
    for layout, shapes in (QUICK if quick else LAYOUTS).items():
        ours = candidates(shapes[0], len(shapes) > 1)
        trainings: dict[str, Any] = {name: Training(make(), shapes) for name, (make, _) in ours.items()}
        trainings["optax.adamw"] = Training(optax.adamw(RATE), shapes)
        times = alternate(trainings, 2 if quick else 20)
        for name, (_, asked) in ours.items():
            yield compare(f"{name}, {layout}", times[name], times["optax.adamw"], "optax.adamw", asked)
