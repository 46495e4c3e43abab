"""Batches of examples, and how they are mixed."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from regjax._src.checks._arrays import any_array, leading_axis
from regjax._src.checks._blocks import spatial_axes
from regjax._src.checks._lists import one_line
from regjax._src.types import Array, ArrayLike


def batch_size(x: Mapping[str, tuple[int, ...]], y: Mapping[str, tuple[int, ...]]) -> int:
    """Returns the size of the leading axis, in which all inputs and targets must agree."""
    if not x:
        raise ValueError("`x` must have at least one array, got none")
    shapes = {**x, **y}
    for name, shape in shapes.items():
        leading_axis(name, shape)
    (first, (batch, *_)), *rest = shapes.items()
    for name, shape in rest:
        if shape[0] != batch:
            raise ValueError(f"`{name}` must have the {batch} examples of `{first}`, got shape {shape}")
    return batch


def spatial_shape(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Returns the axes between the first and the last, in which all arrays must agree."""
    for name, shape in shapes.items():
        spatial_axes(name, shape, fewest=1)
        if 0 in shape[1:-1]:
            raise ValueError(f"`{name}` must have spatial axes that are not empty, got shape {shape}")
    (first, (_, *spatial, _)), *rest = shapes.items()
    for name, shape in rest:
        if list(shape[1:-1]) != spatial:
            raise ValueError(f"`{name}` must have the spatial shape {tuple(spatial)} of `{first}`, got shape {shape}")
    return tuple(spatial)


def examples(name: str, value: ArrayLike, batch: int) -> Array:
    """Checks one value for each example."""
    array = any_array(name, value)
    if array.shape != (batch,):
        raise ValueError(f"`{name}` must have shape ({batch},), one value for each example, got {array.shape}")
    return array


def mixable(name: str, value: ArrayLike) -> Array:
    """Checks targets that can be mixed, or made so."""
    array = any_array(name, value)
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"`{name}` must be integer labels or floating targets, got dtype {array.dtype}")
    return array


def classes_given(name: str, num_classes: int | None) -> int:
    """Returns the number of classes, which integer labels need."""
    if num_classes is None:
        raise ValueError(
            f"`num_classes` must be given for the integer labels `{name}`, got None"
            " (or pass `y=None` and mix the two losses by `weight` and `partner`)"
        )
    return num_classes


def one_for_each_axis(name: str, value: Any, spatial: tuple[int, ...]) -> None:
    """Checks that there are as many numbers as axes of space."""
    if len(value) != len(spatial):
        raise ValueError(
            f"`{name}` must have one number for each of {len(spatial)} spatial axes, got {one_line(value)}"
        )
