"""The mode of a residual block that computes nothing when the branch is dropped."""

from collections.abc import Callable
from typing import Any, TypeAlias

from regjax._src import random
from regjax._src.types import Array, AxisName, Key, Scalar

Branch: TypeAlias = Callable[[Any, Array], Array]
# (predicate, on_true, on_false, target, x) -> Array, like `jax.lax.cond`.
Conditional: TypeAlias = Callable[[Array, Branch, Branch, Any, Array], Array]
# (function, target, x) -> anything with a dtype, like `jax.eval_shape`.
ShapeOf: TypeAlias = Callable[[Branch, Any, Array], Any]
# (function, *, prevent_cse, policy) -> function, like `jax.checkpoint`.
Checkpoint: TypeAlias = Callable[..., Any]

# What is computed again in the backward pass, from what was kept: arithmetic on each entry by itself, and views. What
# compares is not among it: its result takes a byte, and may stand at the end of many rounds of a random generator.
_ARITHMETIC = ("abs", "add", "add_any", "clamp", "div", "integer_pow", "max", "min", "mul", "neg", "pow", "select_n")
_ARITHMETIC += ("one_minus_square", "sign", "square", "sub")
_FUNCTIONS = ("cos", "erf", "erfc", "exp", "exp2", "expm1", "log", "log1p", "logistic", "rsqrt", "sin", "sqrt", "tanh")
_VIEWS = ("broadcast_in_dim", "convert_element_type", "reshape", "squeeze", "transpose")
RECOMPUTED = frozenset(_ARITHMETIC + _FUNCTIONS + _VIEWS)


def is_kept(primitive: Any, *_: Any, **__: Any) -> bool:
    """Tells whether the result of an operation is kept for the backward pass: the policy of a checkpoint."""
    return primitive.name not in RECOMPUTED


def skip(
    key: Key,
    branch: Branch,
    target: Any,
    x: Array,
    rate: Scalar,
    *,
    axis_name: AxisName,
    conditional: Conditional,
    shape_of: ShapeOf,
    checkpoint: Checkpoint,
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
    # What the backward pass needs leaves the conditional, so it is written to memory, and as zeros where the branch was
    # dropped. Outside of a conditional, the compiler would compute the cheap part of it where it is used.
    economical = checkpoint(kept, prevent_cse=False, policy=is_kept)
    keeps = random.keep_mask(random.for_shard(key, axis_name), keep, ())
    return conditional(keeps, economical, dropped, target, x)
