"""Arrays with axes of space, and the blocks that are dropped from them."""

from typing import Any

from regjax._src.checks._lists import one_line
from regjax._src.checks._numbers import at_least


def spatial_axes(name: str, shape: tuple[int, ...], *, fewest: int = 0) -> tuple[int, ...]:
    """Returns the axes between that of the examples and that of the channels."""
    if len(shape) < 2 + fewest:
        raise ValueError(
            f"`{name}` must have shape [batch, *spatial, channels] with {fewest} or more spatial axes, got {shape}"
        )
    return tuple(range(1, len(shape) - 1))


def block_size(value: Any) -> int | tuple[int, ...]:
    """Returns the size of a block, one for all axes of space or one for each, as static data."""
    if isinstance(value, tuple | list):
        return tuple(at_least("block_size", size, 1) for size in value)
    return at_least("block_size", value, 1)


def block_sizes(value: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the size of a block along every axis of space of an array."""
    size = block_size(value)
    if isinstance(size, int):
        return (size,) * len(axes)
    if len(size) != len(axes):
        raise ValueError(f"`block_size` must have {len(axes)} sizes for `x` of shape {shape}, got {one_line(value)}")
    return size
