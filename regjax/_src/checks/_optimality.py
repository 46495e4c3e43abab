"""Gradients that are held against a penalty."""

from typing import Any

import jax

from regjax._src.checks._trees import flatten_up_to, same_shapes


def gradients_fit(gradients: Any, params: Any) -> list[Any]:
    """Checks gradients against parameters, and returns one for each leaf; None is a gradient that is not there."""
    leaves, structure = jax.tree.flatten(gradients, is_leaf=lambda node: node is None)
    pairs = list(zip(leaves, flatten_up_to("gradients", structure, params), strict=True))
    filled = [param if gradient is None else gradient for gradient, param in pairs]
    same_shapes("gradients", structure.unflatten(filled), "params", params)
    return [gradient for gradient, param in pairs for _ in jax.tree.leaves(param)]
