"""Sets that hold together."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from regjax._src.checks._kinds import instance

_NOT_CONVEX = {"min_max_norm", "orthogonal", "unit_norm"}


def trees_to_trees(name: str, value: Any) -> tuple[Any, ...]:
    """Checks the functions that are taken in turn."""
    instance(name, value, Sequence, "be a sequence of functions of a tree")
    if not value:
        raise ValueError(f"`{name}` must have at least one function, got none")
    for index, function in enumerate(value):
        instance(f"{name}[{index}]", function, Callable, "be a function of a tree")
    return tuple(value)


def tree_is_kept(name: str, before: Any, after: Any) -> None:
    """Checks what a function made of a tree."""
    (shapes, structure), (wanted, wanted_structure) = (
        (list(map(np.shape, jax.tree.leaves(tree))), jax.tree.structure(tree)) for tree in (after, before)
    )
    if structure != wanted_structure:
        raise ValueError(f"`{name}` must return a tree like its own, got {structure} for {wanted_structure}")
    if shapes != wanted:
        raise ValueError(f"`{name}` must return leaves of shapes {wanted}, got {shapes}")


def together(value: tuple[Any, ...], kind: Any) -> None:
    """Checks the constraints that are to hold together."""
    if not value:
        raise ValueError("`constraints` must have at least one constraint, got none")
    requirement = "be a constraint such as `regjax.constraints.max_norm(3.0)`"
    for index, constraint in enumerate(value):
        instance(f"constraints[{index}]", constraint, kind, requirement)


def convex(name: str) -> None:
    """Refuses the constraints whose sets are not convex: a point on the way to one says nothing of the nearest."""
    if name in _NOT_CONVEX:
        instead = ", of which `max_norm` is the convex half" if name == "min_max_norm" else ""
        raise ValueError(f"`constraints` must be convex to hold together, got {name}{instead}")
