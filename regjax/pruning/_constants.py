"""Units that put out the same whatever comes in."""

import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.types import Array
from regjax.pruning._stack import Layer

Activation = Callable[[Array], Any]


def fold_constants(
    stack: list[Layer], links: list[np.ndarray], activations: list[Activation], uniform: list[bool], epsilon: float
) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """Adds what constant units contribute to the biases behind them, and tells which units are left.

    Returns the biases, and flags for the inputs and for the units of each layer. A layer whose units are constant
    makes those behind it constant that see no other, so one pass from the first layer to the last is enough.
    """
    biases = [layer.bias for layer in stack]
    kept = [np.ones(len(links[0]), bool)]
    for i, (layer, following) in enumerate(itertools.pairwise(stack)):
        constant = ~links[i][kept[-1]].any(axis=0)
        if "scale" in layer.norm:
            constant |= layer.norm["scale"] == 0
        outputs = _constant_outputs(layer, biases[i], activations[i], epsilon)
        can_fold = uniform[i + 1] and following.bias is not None
        removed = constant & np.isfinite(outputs) & ((outputs == 0) | can_fold)
        kept.append(~removed)
        moved = removed & (outputs != 0)
        bias = biases[i + 1]
        if moved.any() and bias is not None:
            biases[i + 1] = (bias + outputs[moved] @ following.sums()[moved]).astype(bias.dtype)
    return biases, [*kept, np.ones(links[-1].shape[1], bool)]


def _constant_outputs(layer: Layer, bias: np.ndarray | None, activation: Activation, epsilon: float) -> np.ndarray:
    """Returns what each unit puts out if its kernel, or the scale of its normalization, is zero; float64 `[out]`."""
    x = np.zeros(layer.kernel.shape[-1]) if bias is None else bias.astype(np.float64)
    if layer.norm:
        norm = {name: value.astype(np.float64) for name, value in layer.norm.items()}
        x = (x - norm["mean"]) / np.sqrt(norm["var"] + epsilon) * norm.get("scale", 1) + norm.get("bias", 0)
    odd = np.arange(len(x)) % 2
    other = x + np.linspace(0.5, 1.5, len(x))
    # The first row is what is asked for. The last two are like the second but for every other unit.
    precision = np.float64 if layer.kernel.dtype == np.float64 else np.float32
    rows = jnp.asarray(np.stack([x, other, other + odd, other + 1 - odd]).astype(precision))
    outputs = np.asarray(jnp.asarray(activation(rows)).astype(rows.dtype))
    checks.elementwise(layer.path, outputs.shape == rows.shape and _by_unit(outputs, odd == 1, np.abs(rows)))
    return outputs[0].astype(np.float64)


def _by_unit(outputs: np.ndarray, odd: np.ndarray, inputs: np.ndarray) -> bool:
    """Tells whether units put out the same, to rounding, when only others are given something else."""
    rounding = 16 * float(jnp.finfo(outputs.dtype).eps)
    same = np.isclose(
        np.where(odd, outputs[3], outputs[2]),
        outputs[1],
        rtol=rounding,
        atol=rounding * float(np.max(inputs, initial=1)),
        equal_nan=True,
    )
    return bool(np.all(same))
