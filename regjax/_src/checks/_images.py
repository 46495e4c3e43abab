"""Images, how they are moved, and functions that change them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._arrays import axes, host_array
from regjax._src.checks._kinds import instance
from regjax._src.checks._lists import one_line, shown
from regjax._src.checks._numbers import at_least, numbers, ordered, rate, scalar, strength, strengths
from regjax._src.types import Array, Axis


def axes_of_examples(axis: Axis, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Returns the axes that `axis` names, the same ones in every array and none of them that of the examples."""
    named = {name: axes(axis, shape, f"`{name}`") for name, shape in shapes.items()}
    (first, expected), *rest = named.items()
    if 0 in expected:
        raise ValueError(f"`axis` must not name the axis 0 of examples, got {axis} for `{first}` of {shapes[first]}")
    for name, got in rest:
        if got != expected:
            raise ValueError(
                f"`axis` must mean the same axes of all arrays, got {axis}, which is {expected} of `{first}`"
                f" but {got} of `{name}`"
            )
    return expected


def planes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Checks batches of images with two spatial axes."""
    for name, shape in shapes.items():
        if len(shape) != 4:
            raise ValueError(f"`{name}` must have shape [batch, height, width, channels], got {shape}")


def padding(value: Any, dimensions: int) -> tuple[tuple[int, int], ...]:
    """Returns the widths before and after each spatial axis: one for all, one for each, or a pair for each."""
    widths = value if isinstance(value, tuple | list) else (value,) * dimensions
    if len(widths) != dimensions:
        raise ValueError(
            f"`padding` must be an integer or have one entry for each of {dimensions} axes, got {one_line(value)}"
        )
    pairs = [width if isinstance(width, tuple | list) else (width, width) for width in widths]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"`padding` must have integers or pairs (before, after) as its entries, got {one_line(value)}")
    return tuple((at_least("padding", before, 0), at_least("padding", after, 0)) for before, after in pairs)


def crop_size(value: Any, padded: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the size to crop along each spatial axis, one for all or one for each."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,) * len(padded)
    if len(sizes) != len(padded):
        raise ValueError(
            f"`size` must be an integer or have one entry for each of {len(padded)} axes, got {one_line(value)}"
        )
    sizes = tuple(at_least("size", size, 1) for size in sizes)
    if any(size > room for size, room in zip(sizes, padded, strict=True)):
        raise ValueError(f"`size` must be within the padded size {padded}, got {one_line(value)}")
    return sizes


def symmetric_interval(name: str, value: Any) -> tuple[Any, Any]:
    """Returns both ends of an interval of finite numbers; one number stands for those that are no larger."""
    if not isinstance(value, tuple | list):
        strength(name, value)
        return -value, value
    if len(value) != 2:
        raise ValueError(f"`{name}` must be a number or a pair (low, high), got {one_line(value)}")
    for end in value:
        numbers(name, end, np.isfinite, "finite")
        scalar(name, end)
    ordered(f"{name}[0]", value[0], f"{name}[1]", value[1])
    return value[0], value[1]


def share_for_each(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Returns `count` numbers in [0, 1]; one stands for all."""
    each = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(each) != count:
        raise ValueError(f"`{name}` must be a number or have {count} entries, got {one_line(value)}")
    for entry in each:
        rate(name, entry)
    return each


def interpolates(interpolation: str, x: Array) -> None:
    """Refuses integers where values between those of `x` would be rounded to them."""
    if interpolation == "linear" and not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"`x` must be floating where `interpolation` is 'linear', got dtype {x.dtype}"
            " (convert it to floats, or take 'nearest')"
        )


def option_of_each(name: str, value: Any, structure: Any) -> list[Any]:
    """Returns the value of an option for each array of a tree: it is one for all, or a tree of them."""
    if jax.tree_util.treedef_is_leaf(structure):
        return [value]
    if jax.tree_util.treedef_is_leaf(jax.tree.structure(value)):
        return [value] * structure.num_leaves
    try:
        return structure.flatten_up_to(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be one value, or a tree of them in the structure of `x`, got {one_line(value)}"
        ) from error


def function(name: str, value: Any, *, of: str = "a key and an array") -> None:
    """Checks something to call."""
    instance(name, value, Callable, f"be a function of {of}")


def functions(name: str, value: Any) -> tuple[Any, ...]:
    """Checks functions to choose from."""
    instance(name, value, Sequence, "be a sequence of functions of a key and an array")
    if not value:
        raise ValueError(f"`{name}` must have at least one function, got none")
    for index, entry in enumerate(value):
        function(f"{name}[{index}]", entry)
    return tuple(value)


def choice_weights(value: Any, count: int) -> Any:
    """Checks one weight for each of some choices, of which one at least is above 0."""
    array = value if isinstance(value, jax.Array) else host_array("weights", value)
    strengths("weights", array)
    if array.shape != (count,):
        raise ValueError(f"`weights` must have shape ({count},), one weight for each function, got {array.shape}")
    if isinstance(array, np.ndarray) and not array.any():
        raise ValueError(f"`weights` must have an entry above 0, got {one_line(value)}")
    return array


def operations(value: Any, known: Sequence[str]) -> tuple[Any, ...]:
    """Checks the names or functions that a policy draws from."""
    instance("operations", value, tuple | list, "be a tuple of names and functions")
    if not value:
        raise ValueError("`operations` must have at least one entry, got none")
    for entry in value:
        if isinstance(entry, str) and entry not in known:
            raise ValueError(
                f"`operations` must be functions or among {', '.join(map(repr, known))}, got {shown(entry)}"
            )
        instance("operations", entry, str | Callable, "be names or functions of a key, an image and a magnitude")
    return tuple(value)
