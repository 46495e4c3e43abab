"""Trees and how they fit together."""

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._lists import shown, some
from regjax._src.checks._numbers import numbers
from regjax._src.types import Array


def same_structure(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure."""
    structure, wanted = jax.tree.structure(got), jax.tree.structure(expected)
    if structure != wanted:
        raise ValueError(f"`{name}` must have the structure of `{of}`, got {_difference(got, expected)}")


def _difference(got: Any, expected: Any) -> str:
    """Returns how two trees differ, in words that do not grow with them."""
    have, want = ([path for path, _ in jax.tree_util.tree_leaves_with_path(tree)] for tree in (got, expected))
    for word, paths, others in (("a leaf", have, want), ("no leaf", want, have)):
        known = set(others)
        lacking = [path for path in paths if path not in known]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            return f"{word} at {jax.tree_util.keystr(lacking[0], simple=True, separator='/')!r}{more}"
    return "nodes of other types"


def same_shapes(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure and in the shapes of their leaves."""
    same_structure(name, got, of, expected)
    for leaf, wanted in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        if np.shape(leaf) != np.shape(wanted):
            raise ValueError(f"`{name}` must have the shapes of `{of}`, got {np.shape(leaf)} for {np.shape(wanted)}")


def flatten_up_to(name: str, structure: Any, tree: Any) -> list[Any]:
    """Returns the subtrees of `tree` at the leaves of `structure`, which must be a prefix of it."""
    try:
        return structure.flatten_up_to(tree)
    except (TypeError, ValueError) as error:
        got = jax.tree.structure(tree)
        raise ValueError(f"`{name}` must fit the structure of the tree, got {structure} for {got}") from error


def has_leaves(name: str, of: str, missing: list[str]) -> None:
    """Checks that a companion tree has every leaf that is asked of it."""
    if missing:
        raise ValueError(f"`{name}` must have the leaves of `{of}`, got none at {some(missing)}")


def unique_paths(name: str, paths: list[str]) -> None:
    """Refuses a tree in which leaves can't be told apart by their paths."""
    twice = sorted(path for path, count in Counter(paths).items() if count > 1)
    if twice:
        raise ValueError(f"`{name}` must have leaves with different paths, got two at {some(twice)}")


def real_leaves(complex_paths: list[str]) -> None:
    """Refuses complex leaves."""
    if complex_paths:
        raise TypeError(f"`tree` must have real leaves, got complex ones at {some(complex_paths)}")


def no_text(tree: Any, name: str = "tree") -> None:
    """Refuses text in place of a tree; as a leaf it passes by, like all that is not floating."""
    if isinstance(tree, str | bytes):
        raise TypeError(f"`{name}` must be a tree of arrays, got the text {shown(tree)}")


def leaf_array(path: str, leaf: Any) -> Array:
    """Converts a floating leaf."""
    try:
        return jnp.asarray(leaf)
    except (TypeError, ValueError) as error:
        where = f" at '{path}'" if path else ""
        raise TypeError(
            f"`tree` must have arrays or numbers as its floating leaves, got {type(leaf).__name__}{where}"
        ) from error


def metric_shape(path: str, weights: Any, leaf: Array) -> None:
    """Checks the metric of one leaf."""
    if isinstance(weights, np.ndarray | float | int):
        numbers("metric", weights, lambda x: x > 0, "> 0")
    if np.shape(weights) not in {(), leaf.shape}:
        where = f" at '{path}'" if path else ""
        raise ValueError(f"`metric` must have shape () or {leaf.shape}{where}, got {np.shape(weights)}")
