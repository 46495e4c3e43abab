"""Masks made of masks."""

import dataclasses
from typing import Any

from regjax._src import checks
from regjax._src.paths import hidden_paths
from regjax._src.tree import floating_paths
from regjax._src.types import PyTree
from regjax.masks._as_mask import as_mask
from regjax.masks._mask import Mask, not_nothing


@dataclasses.dataclass(frozen=True, repr=False)
class AllOf(Mask):
    """Selects what every mask selects."""

    masks: tuple[Mask, ...]

    def selected(self, tree: PyTree) -> list[bool]:
        result = [all(column) for column in zip(*(mask.selected(tree) for mask in self.masks), strict=True)]
        return not_nothing(self, result, tree)

    def __repr__(self) -> str:
        return f"all_of({', '.join(map(repr, self.masks))})"


def all_of(first: Any, *others: Any) -> Mask:
    """Selects the leaves that every one of several masks selects.

    Args:
      first: anything that :func:`regjax.masks.as_mask` takes.
      *others: more of the same.

    Returns:
      A mask.

    Raises:
      TypeError: if an argument is no mask.

    Examples:
      >>> import jax.numpy as jnp
      >>> from regjax import masks
      >>> params = {
      ...     "decoder": {"kernel": jnp.ones((2, 2))},
      ...     "encoder": {"bias": jnp.ones(2), "kernel": jnp.ones((2, 2))},
      ... }
      >>> masks.resolve(masks.all_of("encoder/**", masks.min_ndim(2)), params)
      {'decoder': {'kernel': False}, 'encoder': {'bias': False, 'kernel': True}}
    """
    return AllOf(tuple(map(as_mask, (first, *others))))


@dataclasses.dataclass(frozen=True, repr=False)
class FirstMatch(Mask):
    """Selects what one mask of a list selects and none before it does."""

    masks: tuple[Mask, ...]
    position: int

    def selected(self, tree: PyTree) -> list[bool]:
        # Every mask is resolved, also those behind `position`: one that matches nothing must not go unnoticed.
        columns = zip(*(mask.selected(tree) for mask in self.masks), strict=True)
        result = [column[self.position] and not any(column[: self.position]) for column in columns]
        checks.mask_is_first(self, any(result) or bool(hidden_paths(tree)), floating_paths(tree))
        return result

    def __repr__(self) -> str:
        return repr(self.masks[self.position])


def first_match(*masks: Any) -> tuple[Mask, ...]:
    """Makes masks disjoint: each leaf goes to the first that selects it.

    Args:
      *masks: anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      As many masks as were given; no leaf is selected by two of them. Resolving one raises `ValueError` where those
      before it take all its leaves: such a rule would never apply.

    Raises:
      TypeError: if an argument is no mask.

    Examples:
      >>> from regjax import masks
      >>> encoder, rest = masks.first_match("encoder/*", "**")
      >>> masks.resolve(rest, {"encoder": {"kernel": 1.0}, "head": 2.0})
      {'encoder': {'kernel': False}, 'head': True}
    """
    candidates = tuple(map(as_mask, masks))
    return tuple(FirstMatch(candidates, position) for position in range(len(candidates)))
