"""The mode of a residual block that computes nothing when the branch is dropped."""

from collections.abc import Callable
from typing import Any, TypeAlias

from regjax._src import random
from regjax._src.types import Array, Key, Scalar

Branch: TypeAlias = Callable[[Any, Array], Array]
# (predicate, on_true, on_false, target, x) -> Array, like `jax.lax.cond`.
Conditional: TypeAlias = Callable[[Array, Branch, Branch, Any, Array], Array]
# (function, target, x) -> anything with a dtype, like `jax.eval_shape`.
ShapeOf: TypeAlias = Callable[[Branch, Any, Array], Any]


def skip(
    key: Key, branch: Branch, target: Any, x: Array, rate: Scalar, *, conditional: Conditional, shape_of: ShapeOf
) -> Array:
    """Adds the whole branch, scaled up, or leaves it out."""
    keep = 1.0 - random.probability(rate)

    def kept(target: Any, x: Array) -> Array:
        return x + random.unbias(branch(target, x), keep)

    def dropped(_: Any, x: Array) -> Array:
        return x.astype(dtype)

    if random.settled(rate, 0.0):
        return kept(target, x)
    # Both sides of a conditional must have the same dtype.
    dtype = shape_of(kept, target, x).dtype
    if random.settled(rate, 1.0):
        return dropped(target, x)
    return conditional(random.keep_mask(key, keep, ()), kept, dropped, target, x)
