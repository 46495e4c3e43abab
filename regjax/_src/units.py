"""Units of a layer: the vectors along some axes of a kernel, whose norms constraints speak of."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.numerics import norm_in_range, with_derivative_of
from regjax._src.tree import map_floating
from regjax._src.types import Array, Axis, PyTree


def passed_by(axis: Axis | Literal["auto"], ndim: int) -> bool:
    """Tells whether an array has no units to speak of: "auto" leaves biases and scales alone."""
    return axis == "auto" and ndim < 2


def unit_axes(axis: Axis | Literal["auto"], path: str, leaf: Array) -> tuple[int, ...]:
    """Returns the axes of a unit of a leaf that has units."""
    return tuple(range(np.ndim(leaf) - 1)) if axis == "auto" else leaf_axes(axis, path, leaf)


def rescale_units(target: Callable[[Array], Array], tree: PyTree, axis: Axis | Literal["auto"]) -> PyTree:
    """Gives every unit the norm `target(norm)`."""
    checks.axis_or_auto(axis)

    def on_leaf(path: str, w: Array) -> Array:
        if passed_by(axis, w.ndim):
            return w
        return rescaled_along(target, w, unit_axes(axis, path, w))

    return map_floating(on_leaf, tree)


def rescaled_along(target: Callable[[Array], Array], w: Array, axes: tuple[int, ...]) -> Array:
    """Gives units along `axes` the norm `target(norm)`."""
    return rescaled(target, w, norm_in_range(w, axes))


def rescaled(target: Callable[[Array], Array], w: Array, have: Array) -> Array:
    """Gives units with the norms `have` the norms `target(have)`, and leaves one that has it untouched bit for bit.

    A zero unit has no direction, so it stays zero.
    """
    want = target(have)
    ratio = jnp.where(have > 0, want / jnp.where(have > 0, have, 1), 1)
    # Equal norms may be infinite. What is multiplied by 1 stays what it is, but for what a CPU takes for 0.
    return w * with_derivative_of(jnp.where(have == want, 1, ratio), ratio)
