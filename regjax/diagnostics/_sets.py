"""Whether one projection leaves the set of another, found by trial on a small array."""

from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regjax import projections
from regjax._src.shown import Shown
from regjax._src.types import Array
from regjax._src.value import Operator
from regjax.diagnostics._inside import Part
from regjax.diagnostics._known import name_of, on_leaves, touching

# How long an axis is at most. What happens to a small array can happen to a large one; not everything the other way.
_LENGTH = 6
# Of random entries: small and large bounds shall act.
_SCALES = (0.1, 1.0, 10.0, 1000.0)
# What is rounding, relative to the largest entry.
_ROUNDING = 1e-3


def left_sets(part: Part, after: Sequence[Part], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """Says which later projections leave the set of a projection on a leaf of a shape."""
    later = touching(part, after, lambda other: name_of(other) == "project")
    alike: dict[str, tuple[Operator, Operator, tuple[int, ...], list[str]]] = {}
    for other in later:
        for path in [path for path in part.told.leaves if path in other.told.leaves and path in shapes]:
            shape = tuple(min(size, _LENGTH) for size in shapes[path])
            second, *more = other.told.leaves[path]
            # Of several at once nobody knows which acts last.
            for first in [] if more else part.told.leaves[path]:
                alike.setdefault(f"{first} {second} {shape}", (first, second, shape, []))[3].append(path)
    for first, second, shape, paths in alike.values():
        if _leaves(second, first, shape):
            mend = "take their `regjax.constraints.intersection`, if they are convex"
            if not _leaves(first, second, shape):
                mend = f"put it after, or {mend}"
            names = f"`project` onto `{first.name}` comes before that onto `{second.name}`"
            yield f"{names}, which may leave the set again: {mend}{on_leaves(paths)}"


def _leaves(second: Operator, first: Operator, shape: tuple[int, ...]) -> bool:
    """Tells whether a projection takes some point of the set of another out of it."""
    if any(isinstance(value, Shown) for operator in (first, second) for value in operator.arguments.values()):
        return False  # numbers that are not known

    def left(point: Array) -> Array:
        inside = _projected(first, point)
        return _is_in(first, inside) & ~_is_in(first, _projected(second, inside))

    points = np.random.default_rng(0).normal(size=(len(_SCALES), *shape))
    points = np.asarray(points * np.reshape(_SCALES, (-1,) + (1,) * len(shape)), np.float32)
    with jax.ensure_compile_time_eval():
        # In a program of its own, because in some versions what has a rule for its derivative is traced all the same.
        return bool(np.any(np.asarray(jax.jit(jax.vmap(left))(points))))


def _is_in(operator: Operator, point: Array) -> Array:
    moved = jnp.abs(_projected(operator, point) - point)
    return jnp.max(moved, initial=0) <= _ROUNDING * jnp.max(jnp.abs(point), initial=0)


def _projected(operator: Operator, point: Array) -> Array:
    return getattr(projections, operator.name)(point, **operator.arguments)
