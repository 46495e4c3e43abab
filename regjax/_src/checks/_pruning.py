"""Stacks of layers whose units can be removed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from regjax._src.checks._kinds import instance, one_of
from regjax._src.checks._lists import shown, some

# What batch normalization has for each unit; the statistics tell it from layers that mix units.
_STATISTICS = {"mean", "var"}
_NORM = _STATISTICS | {"scale", "bias"}


def layer_paths(layers: Any) -> list[tuple[str, ...]]:
    """Returns the paths that belong to each layer, that of the layer itself first."""
    instance("layers", layers, list | tuple, "be a sequence of paths, or of tuples of paths")
    named = [entry if isinstance(entry, tuple) else (entry,) for entry in layers]
    for entry in named:
        if not entry or not all(isinstance(path, str) for path in entry):
            raise TypeError(f"`layers` must be a sequence of paths, or of tuples of paths, got {shown(layers)}")
    flat = [path for entry in named for path in entry]
    if not flat:
        raise ValueError("`layers` must name at least one layer, got none")
    if len(set(flat)) < len(flat):
        raise ValueError(f"`layers` must name every layer once, got {some(flat)}")
    return named


def concrete_arrays(leaves: Mapping[str, Any]) -> None:
    """Refuses parameters whose values can't be looked at."""
    for path, leaf in leaves.items():
        if isinstance(leaf, Tracer):
            raise TypeError(f"`params` must be concrete, so call this outside of `jit`, got a traced array at '{path}'")
        instance("params", leaf, jax.Array | np.ndarray, f"have an array at '{path}'")


def dense_or_convolution(layer: str, leaves: Mapping[str, Any], floating: bool, paths: list[str]) -> None:
    """Checks what a layer is made of, by the last key."""
    if "kernel" not in leaves:
        raise ValueError(f"`layers` must name layers with a kernel, got '{layer}' for the leaves {some(paths)}")
    if set(leaves) - {"kernel", "bias"}:
        raise ValueError(f"`layers` must name layers of a kernel and a bias, got {some(sorted(leaves))} in '{layer}'")
    if not floating:
        raise TypeError(f"`params` must have floating kernels, got dtype {leaves['kernel'].dtype} in '{layer}'")
    shape = leaves["kernel"].shape
    if len(shape) < 2:
        raise ValueError(f"`params` must have kernels of shape [..., in, out], got {shape} in '{layer}'")
    _one_for_each_unit(layer, {name: leaf for name, leaf in leaves.items() if name == "bias"}, shape[-1])


def batch_norm(layer: str, paths: Sequence[str], leaves: Mapping[str, Any], units: int) -> None:
    """Checks what stands between a layer and its activation, by the last key."""
    if not _STATISTICS <= set(leaves) <= _NORM:
        raise ValueError(
            "`layers` must name beside a layer the parameters and the statistics of its batch normalization (other"
            f" normalizations mix units), got {some(sorted(leaves))} at {some(list(paths))}"
        )
    _one_for_each_unit(layer, leaves, units)


def _one_for_each_unit(layer: str, leaves: Mapping[str, Any], units: int) -> None:
    for name, leaf in leaves.items():
        if leaf.shape != (units,):
            raise ValueError(
                f"`params` must have one '{name}' for each of the {units} units of '{layer}', got shape {leaf.shape}"
            )


def different_names(names: list[str], paths: Sequence[str]) -> None:
    """Checks that leaves can be told apart by their last keys."""
    if len(set(names)) < len(names):
        raise ValueError(f"`layers` must name a single batch normalization, got {some(sorted(names))} at {list(paths)}")


def chained(before: str, units: int, after: str, inputs: int, flattened: bool) -> None:
    """Checks that a layer takes what the one before it puts out, at each position where that is flattened."""
    if inputs != units and not (flattened and units and inputs % units == 0):
        wanted = f"{units} inputs, or a multiple of them," if flattened else f"{units} inputs"
        raise ValueError(
            f"`layers` must be in the order of the network, without branches and grouped convolutions: '{after}' must"
            f" have {wanted} like the units of '{before}', got {inputs}"
        )


def activations(value: Any, count: int) -> list[Callable[..., Any]]:
    """Returns a function for each hidden layer; one stands for all."""
    listed = isinstance(value, list | tuple)
    functions = list(value) if listed else [value]
    if not all(map(callable, functions)):
        raise TypeError(f"`activation` must be a function or a sequence of functions, got {shown(value)}")
    functions = functions if listed else functions * count
    if len(functions) != count:
        raise ValueError(f"`activation` must have a function for each of {count} hidden layers, got {len(functions)}")
    return functions


def elementwise(layer: str, same: bool) -> None:
    """Refuses an activation that changes shapes, or one that mixes units."""
    if not same:
        raise ValueError(f"`activation` must map every unit by itself, got a function that does not behind '{layer}'")


def padded_with(value: Any, count: int) -> list[str]:
    """Returns the padding of each layer; one word stands for all."""
    words = list(value) if isinstance(value, list | tuple) else [value] * count
    for word in words:
        one_of("padding", word, ("SAME", "VALID"))
    if len(words) != count:
        raise ValueError(f"`padding` must be one word or have one for each of {count} layers, got {len(words)}")
    return words


def cuttable(path: str, shape: tuple[int, ...], sizes: Sequence[int | None]) -> None:
    """Checks that a leaf can be cut like the parameter that it belongs to, of which `sizes` are those that matter."""
    fits = len(shape) == len(sizes) and all(
        wanted in {None, size} or size == 1 for size, wanted in zip(shape, sizes, strict=True)
    )
    if not fits:
        raise ValueError(f"`tree` must have leaves of the shapes of the parameters, got {shape} at '{path}'")
