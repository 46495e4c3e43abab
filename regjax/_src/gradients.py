"""Gradients of penalties."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from regjax._src.numerics import widen
from regjax._src.shards import axes_of_shards
from regjax._src.tree import is_floating
from regjax._src.types import Array, PyTree


def wide_gradient(penalty_among: Callable[[PyTree, Sequence[bool]], Array], params: PyTree) -> PyTree:
    """Returns the gradient of a penalty that is a sum over leaves, with None in place of those that are not floating.

    It has the dtype to compute in, so that the gradient of a bfloat16 parameter is rounded once, by who uses it.

    Under `shard_map` the derivative of a sum of leaves that are sharded along different axes counts a leaf once for
    each shard that holds a copy. So those that are sharded alike are summed by themselves.

    Args:
      penalty_among: from the parameters, and from which leaves count in their order, to a scalar.
      params: a tree of parameters.
    """
    leaves, structure = jax.tree.flatten(params)
    wide = {at: widen(jnp.asarray(leaf)) for at, leaf in enumerate(leaves) if is_floating(leaf)}

    def of_alike(alike: dict[int, Array]) -> Array:
        among = [at in alike for at in range(len(leaves))]
        return penalty_among(structure.unflatten([alike.get(at, leaf) for at, leaf in enumerate(leaves)]), among)

    gradients: dict[int, Array] = {}
    for axes in dict.fromkeys(map(axes_of_shards, wide.values())):
        alike = {at: leaf for at, leaf in wide.items() if axes_of_shards(leaf) == axes}
        gradients |= jax.grad(of_alike)(alike)
    return structure.unflatten([gradients.get(at) for at in range(len(leaves))])
