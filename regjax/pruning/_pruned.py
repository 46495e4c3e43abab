"""A network that was cut, and how."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.types import PyTree


class Pruned(NamedTuple):
    """What is left of a network, made by :func:`regjax.pruning.remove_zero_units`.

    Attributes:
      params: the smaller tree, in the structure of the one that was given.
      inputs: the indices of the input features (or channels) that the smaller network takes, ascending; it is given
        `x[..., inputs]`.
      units: for each layer, by its path, the indices of the units that are kept, ascending; all of them for the last
        layer. Their numbers are the `features` of the layers of the smaller network.
      kept: for each leaf of the tree, by its path, flags for each axis that tell what is kept of it, or None where an
        axis was not cut.
    """

    params: PyTree
    inputs: np.ndarray
    units: dict[str, np.ndarray]
    kept: dict[str, tuple[np.ndarray | None, ...]]

    def cut(self, tree: PyTree) -> PyTree:
        """Cuts what belongs to the parameters in the same way: gradients, averages, the state of an optimizer.

        A leaf belongs to the parameter with the longest path in which its own path ends, such as
        `"0/mu/Dense_0/kernel"` to `"Dense_0/kernel"`; other leaves pass through, and so do scalars.

        Args:
          tree: a tree of arrays, traced ones too. Where a leaf belongs to a parameter that was cut, each of its axes
            has the size that the parameter had, or 1.

        Returns:
          A tree with the structure of `tree`. What was cut is on the host if it was there, else on the default device.

        Raises:
          ValueError: if such a leaf has another shape. The factored state of Adafactor has; it is made anew by
            `tx.init(params)`.
        """
        leaves, structure = jax.tree.flatten(tree)
        return structure.unflatten(map(self._cut_leaf, leaf_paths(tree), leaves))

    def _cut_leaf(self, path: str, leaf: Any) -> Any:
        flags, shape = self._flags(path), np.shape(leaf)
        if not shape or all(axis is None for axis in flags):
            return leaf
        checks.cuttable(path, shape, [None if axis is None else axis.size for axis in flags])
        # What was cut are the last axes; a leaf may have only one entry for all of such an axis.
        last = [(axis, size) for axis, size in zip(flags, shape, strict=True) if axis is not None]
        indices = [np.flatnonzero(axis) if size == axis.size else np.arange(size) for axis, size in last]
        index = (..., *np.ix_(*indices))
        # On the host, where no program has to be compiled for every shape.
        return leaf[index] if isinstance(leaf, Tracer | np.ndarray) else jnp.asarray(np.asarray(leaf)[index])

    def _flags(self, path: str) -> tuple[np.ndarray | None, ...]:
        parts = path.split("/")
        endings = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.kept[ending] for ending in endings if ending in self.kept), ())
