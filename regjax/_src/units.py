"""Units of a layer: the vectors along some axes of a kernel, whose norms constraints speak of."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import leaf_axes
from regjax._src.numerics import norm, with_derivative_of
from regjax._src.tree import map_floating
from regjax._src.types import Array, Axis, PyTree


def passed_by(axis: Axis | Literal["auto"], ndim: int) -> bool:
    """Tells whether an array has no units to speak of: "auto" leaves biases and scales alone."""
    return axis == "auto" and ndim < 2


def rescale_units(target: Callable[[Array], Array], tree: PyTree, axis: Axis | Literal["auto"]) -> PyTree:
    """Gives every unit the norm `target(norm)`, and leaves a unit that has it untouched bit for bit.

    A zero unit has no direction, so it stays zero.
    """
    checks.axis_or_auto(axis)

    def on_leaf(path: str, w: Array) -> Array:
        if passed_by(axis, w.ndim):
            return w
        axes = tuple(range(w.ndim - 1)) if axis == "auto" else leaf_axes(axis, path, w)
        have = norm(w, axes)
        want = target(have)
        rescaled = w * jnp.where(have > 0, want / jnp.where(have > 0, have, 1), 1)
        return with_derivative_of(jnp.where(have == want, w, rescaled), rescaled)

    return map_floating(on_leaf, tree)
