"""What `shard_map` asks of a program: to say which values differ between shards."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from regjax._src.explicit import sharded_like
from regjax._src.types import Array, ArrayLike

Carry = TypeVar("Carry")

# The second is the older name.
_PCAST: Any = getattr(jax.lax, "pcast", None)
_PVARY: Any = functools.partial(_PCAST, to="varying") if _PCAST else getattr(jax.lax, "pvary", None)


def varying_like(value: Array, like: Array) -> Array:
    """Returns `value` as an array that differs between shards along the axes along which `like` does.

    On a mesh with explicit axes it is sharded as `like`, of whose shape it has to be.
    """
    return varying_along(sharded_like(value, like), axes_of_shards(like))


def carried(body: Callable[[Carry], Carry], initial: Carry) -> Carry:
    """Returns what a loop starts with, as arrays that differ between shards where those that `body` returns do.

    A loop needs arrays of the same types after each round. Constants are the same on all shards.
    """
    if not jax.sharding.get_abstract_mesh().manual_axes:
        return initial
    leaves, structure = jax.tree.flatten(initial)
    after: list[frozenset[str]] = []

    def record(leaves: list[Array]) -> None:
        after[:] = map(axes_of_shards, jax.tree.leaves(body(structure.unflatten(leaves))))

    while True:
        jax.eval_shape(record, leaves)
        if all(axes <= axes_of_shards(leaf) for leaf, axes in zip(leaves, after, strict=True)):
            return structure.unflatten(leaves)
        leaves = list(map(varying_along, leaves, after))


def axes_of_shards(value: ArrayLike) -> frozenset[str]:
    """Returns the axes of a mesh along which an array differs between shards: none outside of `shard_map`."""
    return axes_of_type(jax.typeof(value))


def axes_of_type(kind: Any) -> frozenset[str]:
    """Returns what `axes_of_shards` does of an array of a type."""
    kind = getattr(kind, "manual_axis_type", None) or kind
    return getattr(kind, "varying", None) or getattr(kind, "vma", None) or frozenset()


def varying_along(value: Array, axes: frozenset[str]) -> Array:
    """Returns `value` as an array that differs between shards along some axes of a mesh."""
    missing = axes - axes_of_shards(value)
    return _PVARY(value, tuple(sorted(missing))) if missing else value
