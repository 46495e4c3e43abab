"""Gradients of penalties."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src.numerics import widen
from regjax._src.tree import is_floating
from regjax._src.types import Array, PyTree


def wide_gradient(function: Callable[[PyTree], Array], params: PyTree) -> PyTree:
    """Returns the gradient of a scalar function, with None in place of the leaves that are not floating.

    It has the dtype to compute in, so that the gradient of a bfloat16 parameter is rounded once, by who uses it.
    """
    leaves, structure = jax.tree.flatten(params)
    wide = {at: widen(jnp.asarray(leaf)) for at, leaf in enumerate(leaves) if is_floating(leaf)}

    def of_wide(wide: dict[int, Array]) -> Array:
        return function(structure.unflatten([wide.get(at, leaf) for at, leaf in enumerate(leaves)]))

    gradients = jax.grad(of_wide)(wide)
    return structure.unflatten([gradients.get(at) for at in range(len(leaves))])
