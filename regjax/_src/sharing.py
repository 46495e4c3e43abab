"""Tracing what happens to a leaf once for all leaves of one shape."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.core import Tracer

# Fewer leaves are traced one by one: a call costs something too.
_MANY = 32


class _Path:
    """A path that makes no difference: the first leaf of a shape names it in error messages."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Path)

    def __hash__(self) -> int:
        return 0


def once_per_shape(function: Callable[..., Any], leaves: Sequence[Any]) -> Callable[..., Any]:
    """Returns `function(path, *arguments)`, traced once for arguments of the same shapes where a trace has many leaves.

    Large models have hundreds of leaves of a few shapes. The compiler sees the same program.

    Args:
      function: what happens to a leaf. It may depend on the path only in the text of errors, which have to follow from
        shapes, dtypes and whatever else is not an array.
      leaves: all that it is going to be called on.
    """
    # Outside of `jit` the tracers of `grad` know their values; a program that runs once is not worth compiling.
    is_compiled = any(isinstance(leaf, Tracer) and leaf.to_concrete_value() is None for leaf in leaves)
    if len(leaves) < _MANY or not is_compiled:
        return function

    def of_parts(path: _Path, fixed: tuple[Any, ...], *arrays: Any) -> Any:
        rest = iter(arrays)
        return function(path.text, *(next(rest) if kind is jax.Array else value for kind, value in fixed))

    shared = jax.jit(of_parts, static_argnums=(0, 1))

    def on_leaf(path: str, *arguments: Any) -> Any:
        if not all(isinstance(a, jax.Array | bool | None) for a in arguments):
            return function(path, *arguments)  # the values of numbers and NumPy arrays may be checked
        fixed = tuple((jax.Array, None) if isinstance(a, jax.Array) else (type(a), a) for a in arguments)
        return shared(_Path(path), fixed, *(a for a in arguments if isinstance(a, jax.Array)))

    return on_leaf
