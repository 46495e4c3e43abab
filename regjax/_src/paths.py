"""Paths of leaves as text, and the patterns that match them.

A path is the keys from the root joined by "/". It reads the same for the dicts of Linen, `FrozenDict`, `nnx.State`,
Equinox modules, tuples and lists: "encoder/layers/0/kernel". The boxes in which Flax keeps arrays (`nnx.Variable`,
`linen.Partitioned`) are not part of a path.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.tree_util import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey

from regjax._src import checks
from regjax._src.types import PyTree


@functools.cache
def _is_box_type(kind: type) -> bool:
    # By name, because importing regjax must not import flax.
    return any(
        base.__module__.split(".")[0] == "flax" and base.__name__ in {"Variable", "AxisMetadata"}
        for base in kind.__mro__
    )


def _is_box(node: Any) -> bool:
    return _is_box_type(type(node))


def _part(entry: Any) -> str:
    match entry:
        case DictKey(key=name) | FlattenedIndexKey(key=name):
            return str(name)
        case SequenceKey(idx=index):
            return str(index)
        case GetAttrKey(name=name):
            return name
    return str(entry)


def leaf_paths(tree: PyTree) -> list[str]:
    """Returns the path of every leaf, in the order of `jax.tree.leaves`."""
    return [path for path, _ in _leaves_by_path(tree, lambda _: False)]


def hidden_paths(tree: PyTree) -> list[str]:
    """Returns the paths of the leaves that a wrapper of Optax hides behind placeholders."""
    return [path for path, node in _leaves_by_path(tree, _is_hidden) if _is_hidden(node)]


def _leaves_by_path(tree: PyTree, is_leaf: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    flatten = jax.tree_util.tree_flatten_with_path
    for path, node in flatten(tree, is_leaf=lambda node: _is_box(node) or is_leaf(node))[0]:
        # The first key inside a box is the box's own, "value".
        inside = [(key[1:], leaf) for key, leaf in flatten(node, is_leaf=is_leaf)[0]] if _is_box(node) else [((), node)]
        for rest, leaf in inside:
            yield "/".join(map(_part, (*path, *rest))), leaf


def _is_hidden(node: Any) -> bool:
    return type(node).__name__ == "MaskedNode"


@functools.cache
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compiles a glob over paths.

    Within one part, `*` stands for any characters, `?` for one and `[...]` for one of a set; `**` as a whole part
    stands for any number of parts, none included.
    """
    parts = pattern.strip("/").split("/")
    regex = "".join(r"(?:[^/]+/)*" if part == "**" else _part_regex(part) + "/" for part in parts)
    return checks.compiles(pattern, regex)


def _part_regex(part: str) -> str:
    """Translates `*`, `?`, `[...]` and `[!...]` of one part; neither crosses a '/'."""
    pieces = re.split(r"(\*+|\?|\[!?[^\]]+\])", part)
    wild = {"*": r"[^/]*", "?": r"[^/]"}
    return "".join(
        wild[piece[0]]
        if piece[:1] in wild
        else _set_regex(piece)
        if re.fullmatch(r"\[.+\]", piece)
        else re.escape(piece)
        for piece in pieces
    )


def _set_regex(piece: str) -> str:
    inside = piece[1:-1].replace("\\", "\\\\")
    escaped = inside.removeprefix("!").replace("^", r"\^")
    return f"(?!/)[{'^' if inside.startswith('!') else ''}{escaped}]"


def matches(pattern: str | re.Pattern[str], path: str) -> bool:
    """Tells whether a glob matches the whole path, or a compiled regular expression is found in it."""
    if isinstance(pattern, str):
        # Every part ends in a slash, so that `**` can stand for none.
        return compile_glob(pattern).fullmatch(path + "/" if path else "") is not None
    return pattern.search(path) is not None
