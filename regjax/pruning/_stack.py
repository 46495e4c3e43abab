"""Layers in a row, read from a tree."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.tree import is_floating
from regjax._src.types import PyTree


class Layer(NamedTuple):
    """One layer, and the batch normalization behind it.

    Attributes:
      path: where it is in the tree, and the prefix of the paths of its kernel and bias.
      kernel: `[..., in, out]`.
      bias: `[out]`, or None.
      norm: `mean` and `var`, `scale` and `bias` where there are such, each `[out]`; empty without normalization.
      paths_of_units: the paths of all leaves with shape `[out]`.
      positions: how many inputs each unit of the layer before has, more than one where that is flattened.
    """

    path: str
    kernel: np.ndarray
    bias: np.ndarray | None
    norm: Mapping[str, np.ndarray]
    paths_of_units: tuple[str, ...]
    positions: int

    def leaf(self, name: str) -> str:
        """Returns the path of its kernel or bias."""
        return f"{self.path}/{name}" if self.path else name

    def links(self) -> np.ndarray:
        """Tells which units of the layer before matter to which unit, bools `[sources, out]`."""
        some = np.asarray(np.any(self.kernel != 0, axis=self._spatial()))
        return np.asarray(self._by_source(some).any(axis=0))

    def sums(self) -> np.ndarray:
        """Returns how much each unit gets from a one at every position of each source, float64 `[sources, out]`."""
        total = np.asarray(np.sum(self.kernel, axis=self._spatial(), dtype=np.float64))
        return np.asarray(self._by_source(total).sum(axis=0))

    def without(self, source: int) -> np.ndarray:
        """Returns the kernel with zeros for all that comes from one source."""
        kernel = np.array(self.kernel)
        kernel[..., source :: kernel.shape[-2] // self.positions, :] = 0
        return kernel

    def _spatial(self) -> tuple[int, ...]:
        return tuple(range(self.kernel.ndim - 2))

    def _by_source(self, matrix: np.ndarray) -> np.ndarray:
        # Channels are the last axis of what is flattened, so they vary fastest.
        return matrix.reshape(self.positions, matrix.shape[0] // self.positions, matrix.shape[1])


def read_stack(params: PyTree, layers: Any) -> list[Layer]:
    """Returns the layers that are named, in their order."""
    paths = leaf_paths(params)
    checks.unique_paths("params", paths)
    leaves = dict(zip(paths, jax.tree.leaves(params), strict=True))
    stack: list[Layer] = []
    for path, *norm in checks.layer_paths(layers):
        layer = _read_layer(path, norm, leaves)
        if stack:
            layer = layer._replace(positions=_positions(stack[-1], layer))
        stack.append(layer)
    return stack


def _read_layer(path: str, norm_paths: list[str], leaves: dict[str, Any]) -> Layer:
    own = _below([path], leaves)
    by_name = {leaf.removeprefix(f"{path}/"): value for leaf, value in own.items()}
    checks.concrete_arrays(own)
    checks.dense_or_convolution(path, by_name, is_floating(by_name.get("kernel")), list(leaves))
    kernel, bias = np.asarray(by_name["kernel"]), by_name.get("bias")
    norm = _below(norm_paths, leaves)
    names = [leaf.split("/")[-1] for leaf in norm]
    if norm_paths:
        checks.concrete_arrays(norm)
        checks.different_names(names, norm_paths)
        checks.batch_norm(path, norm_paths, dict(zip(names, norm.values(), strict=True)), kernel.shape[-1])
    of_units = tuple(leaf for leaf, value in (own | norm).items() if value.ndim == 1)
    statistics = {name: np.asarray(value) for name, value in zip(names, norm.values(), strict=True)}
    return Layer(path, kernel, None if bias is None else np.asarray(bias), statistics, of_units, 1)


def _below(prefixes: list[str], leaves: dict[str, Any]) -> dict[str, Any]:
    starts = tuple(f"{prefix}/" if prefix else "" for prefix in prefixes)
    return {path: leaf for path, leaf in leaves.items() if f"{path}/".startswith(starts)}


def _positions(before: Layer, layer: Layer) -> int:
    units, inputs = before.kernel.shape[-1], layer.kernel.shape[-2]
    flattened = before.kernel.ndim > 2 and layer.kernel.ndim == 2
    checks.chained(before.path, units, layer.path, inputs, flattened)
    return max(inputs // max(units, 1), 1)
