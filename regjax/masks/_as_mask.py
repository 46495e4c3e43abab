"""How the ways of saying a mask become a `Mask`."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from regjax._src import checks
from regjax._src.types import PyTree
from regjax.masks._mask import Mask, not_nothing
from regjax.masks._patterns import path


@dataclasses.dataclass(frozen=True)
class Everything(Mask):
    """Selects every leaf."""

    def selected(self, tree: PyTree) -> list[bool]:
        return [True] * len(jax.tree.leaves(tree))

    def __repr__(self) -> str:
        return "None"


@dataclasses.dataclass(frozen=True, repr=False)
class Bools(Mask):
    """Selects what a tree of bools, or a prefix of one, says."""

    structure: Any
    values: tuple[bool, ...]

    def selected(self, tree: PyTree) -> list[bool]:
        subtrees = checks.flatten_up_to("mask", self.structure, tree)
        return [value for value, subtree in zip(self.values, subtrees, strict=True) for _ in jax.tree.leaves(subtree)]

    def __repr__(self) -> str:
        return repr(jax.tree.unflatten(self.structure, self.values))


@dataclasses.dataclass(frozen=True, repr=False)
class Function(Mask):
    """Selects what a function of the tree says, which has to be something."""

    function: Callable[[PyTree], Any]

    def selected(self, tree: PyTree) -> list[bool]:
        return not_nothing(self, as_mask(checks.mask_from_function(self.function(tree))).selected(tree), tree)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def as_mask(mask: Any) -> Mask:
    """Converts any way of saying which leaves into a `Mask`.

    Args:
      mask: `None`, a glob, a compiled regular expression, a non-empty tuple or list of those, a `Mask`, a tree or
        prefix tree of bools, or a function that takes the tree and returns any of these but `None`.

    Returns:
      A `Mask`.

    Raises:
      TypeError: if `mask` is of another kind. A scalar is refused too, because that is what
        `optax.inject_hyperparams` makes of a function.

    Examples:
      >>> from regjax import masks
      >>> masks.as_mask("**/kernel")
      path('**/kernel')
    """
    if mask is None:
        return Everything()
    if isinstance(mask, Mask):
        return mask
    if _is_pattern(mask):
        return path(mask)
    if isinstance(mask, tuple | list) and mask and all(map(_is_pattern, mask)):
        return path(*mask)
    checks.mask_is_no_scalar(mask)
    values, structure = jax.tree.flatten(mask)
    # An Equinox module of bools is callable as well, hence the look at the leaves.
    if callable(mask) and not any(map(_is_bool, values)):
        return Function(mask)
    checks.mask_is_tree_of_bools(mask, all(map(_is_bool, values)))
    return Bools(structure, tuple(map(bool, values)))


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str | re.Pattern)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)
