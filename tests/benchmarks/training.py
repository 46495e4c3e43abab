"""A compiled training step and the parameters that it moves."""

from collections.abc import Callable
from typing import Any

import jax


class Training:
    """Steps of gradient descent, with donated parameters as in training.

    Attributes:
      memory: bytes that the step needs beside its arguments and results.
      operations: how many the step takes, as XLA counts them.
    """

    def __init__(self, loss: Callable[..., Any], params: Any, *args: Any) -> None:
        def step(params: Any, *args: Any) -> Any:
            gradients = jax.grad(loss)(params, *args)
            return jax.tree.map(lambda w, g: w - 1e-3 * g, params, gradients)

        self.params, self.args = jax.tree.map(jax.numpy.copy, params), args
        self.step: Any = jax.jit(step, donate_argnums=0).lower(params, *args).compile()
        self.memory: int = self.step.memory_analysis().temp_size_in_bytes
        self.operations: float = self.step.cost_analysis()["flops"]

    def __call__(self) -> Any:
        """Takes a step."""
        self.params = self.step(self.params, *self.args)
        return self.params
