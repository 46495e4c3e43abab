"""Paths of leaves as text, and the patterns that match them.

A path is the keys from the root joined by "/". It reads the same for the dicts of Linen, `FrozenDict`, `nnx.State`,
Equinox modules, tuples and lists: "encoder/layers/0/kernel". The boxes in which Flax keeps arrays (`nnx.Variable`,
`linen.Partitioned`) are not part of a path.
"""

import functools
import re
from typing import Any

import jax
from jax.tree_util import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey

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
    result = []
    for path, node in jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_box)[0]:
        text = "/".join(map(_part, path))
        result.extend([text] * (len(jax.tree.leaves(node)) if _is_box(node) else 1))
    return result


@functools.cache
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Compiles a glob over paths.

    Within one part, `*` stands for any characters, `?` for one and `[...]` for one of a set; `**` as a whole part
    stands for any number of parts, none included.
    """
    parts = pattern.strip("/").split("/")
    return re.compile("".join(r"(?:[^/]+/)*" if part == "**" else _part_regex(part) + "/" for part in parts))


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
    return f"[^/{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"


def matches(pattern: str | re.Pattern[str], path: str) -> bool:
    """Tells whether a glob matches the whole path, or a compiled regular expression is found in it."""
    if isinstance(pattern, str):
        # Every part ends in a slash, so that `**` can stand for none.
        return compile_glob(pattern).fullmatch(path + "/" if path else "") is not None
    return pattern.search(path) is not None
