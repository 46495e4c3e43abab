"""Masks and patterns."""

import re
from typing import Any

import jax
import numpy as np

from regjax._src.checks._lists import shown, some


def patterns(values: tuple[Any, ...]) -> None:
    """Checks what a mask is said by."""
    if not values:
        raise ValueError("`patterns` must name at least one glob or compiled regular expression, got none")
    for value in values:
        if not isinstance(value, str | re.Pattern):
            raise TypeError(f"`patterns` must be globs or compiled regular expressions, got {shown(value)}")


def compiles(pattern: str, regex: str) -> re.Pattern[str]:
    """Compiles what a glob was translated to."""
    try:
        return re.compile(regex)
    except re.error as error:
        raise ValueError(f"`mask` must be a well-formed glob, got {pattern!r}: {error}") from error


def pattern_found(pattern: Any, paths: list[str], instead: str | None) -> None:
    """Refuses a pattern that matched none of the paths, unless there are none, and says which one does `instead`.

    Optax initializes with trees without leaves to learn the structure of a state.
    """
    if paths:
        hint = f" ({_text(instead)} matches some)" if instead else ""
        raise ValueError(f"`mask` must match a floating leaf, got {_text(pattern)} for the paths {some(paths)}{hint}")


def mask_selects(mask: Any, any_selected: bool, paths: list[str]) -> None:
    """Checks that a mask selected one of the floating leaves, unless there are none."""
    if paths and not any_selected:
        raise ValueError(f"`mask` must select a floating leaf, got {mask} for the paths {some(paths)}")


def mask_is_first(mask: Any, any_selected: bool, paths: list[str]) -> None:
    """Refuses a rule that earlier ones leave no leaf to."""
    if paths and not any_selected:
        raise ValueError(
            f"`mask` must be the first to match some leaf, got {mask}, behind patterns that take all its leaves"
        )


def mask_is_no_scalar(mask: Any) -> None:
    """Refuses what `optax.inject_hyperparams` makes of a function."""
    if isinstance(mask, bool | int | float) or (
        isinstance(mask, np.ndarray | np.generic | jax.Array) and mask.ndim == 0
    ):
        raise TypeError(
            "`mask` must be None, a glob, a tree of bools or a function, got the scalar"
            f" {shown(mask)}, which is what `optax.inject_hyperparams` makes of a function (use a glob there)"
        )


def mask_from_function(mask: Any) -> Any:
    """Returns what a function given as a mask returns, unless it forgot to."""
    if mask is None:
        raise TypeError("`mask` must be a function that returns a mask, got one that returns None")
    return mask


def mask_as_bool(mask: Any) -> bool:
    """Refuses the mask where somebody else takes it for a bool."""
    raise TypeError(
        f"`mask` must be resolved where it is not regjax that takes it, got {shown(mask)}: give Optax the function "
        "`lambda params: regjax.masks.resolve(mask, params)`"
    )


def mask_is_tree_of_bools(mask: Any, only_bools: bool) -> None:
    """Checks what is left once a mask is nothing else."""
    if not only_bools:
        raise TypeError(f"`mask` must be None, a glob, a tree of Python bools or a function, got {shown(mask)}")


def _text(pattern: Any) -> str:
    return repr(pattern if isinstance(pattern, str) else pattern.pattern)
