"""Meshes with explicit axes, as `jax.make_mesh` makes them: the type of an array says how it is sharded."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from regjax._src.types import Array, PyTree

# Versions without it can hardly use such meshes.
_AUTO_AXES: Any = getattr(jax.sharding, "auto_axes", None)


def automatic(
    function: Callable[..., Array], like: Array, *arguments: Any, over: tuple[int, ...] = (), scalar: bool = False
) -> Array:
    """Returns `function(like, *arguments)`, in which the compiler decides on shardings, on every mesh.

    On explicit axes JAX refuses what could be sharded in several ways: slices and sorts along a sharded axis, products
    over one, decompositions. What the function closes over goes through :func:`within`.

    Args:
      function: what to compute.
      like: the first argument; the result is sharded as it is.
      *arguments: the others.
      over: axes along which the result is not sharded.
      scalar: whether the result is a scalar, which is not sharded.
    """
    sharding = _explicit(like)
    if sharding is None:
        return function(like, *arguments)
    entries = () if scalar else (None if axis in over else name for axis, name in enumerate(sharding.spec))
    sharding = NamedSharding(sharding.mesh, PartitionSpec(*entries))
    arrays = [argument for argument in arguments if isinstance(argument, jax.Array)]

    def of_arrays(like: Array, *arrays: Array) -> Array:
        rest = iter(arrays)
        return function(like, *(next(rest) if isinstance(a, jax.Array) else a for a in arguments))

    return _AUTO_AXES(of_arrays, out_sharding=sharding)(like, *arrays)


def automatic_tree(function: Callable[..., PyTree], like: PyTree, *arguments: PyTree) -> PyTree:
    """Returns `function(*arguments)`, a tree, in which the compiler decides on shardings, on every mesh.

    Args:
      function: what to compute.
      like: a tree in the structure of the result, whose leaves are sharded as those of the result are to be.
      *arguments: trees of arrays.
    """
    found = [sharding for leaf in jax.tree.leaves((like, arguments)) if (sharding := _explicit(leaf)) is not None]
    if not found:
        return function(*arguments)
    everywhere = NamedSharding(found[0].mesh, PartitionSpec())
    run = _AUTO_AXES(function, out_sharding=jax.tree.map(lambda leaf: _explicit(leaf) or everywhere, like))
    return jax.jit(run)(*arguments)  # which moves all to the devices of the mesh


class Batch(NamedTuple):
    """How the leading axis of arrays is sharded on explicit axes: what is mapped over together has to be so alike.

    Attributes:
      mesh: their mesh.
      axis: the names of axes of the mesh, or None where each device has the whole batch.
    """

    mesh: Any
    axis: Any

    def whole(self) -> "Batch":
        """Returns the same mesh with the whole batch on each device, as loops want it."""
        return self._replace(axis=None)


def batch_of(tree: PyTree) -> Batch | None:
    """Returns how the first array of a tree with explicit axes has its batch, or None where there is no such array."""
    found = [sharding for leaf in jax.tree.leaves(tree) if (sharding := _explicit(leaf)) is not None]
    return Batch(found[0].mesh, found[0].spec[0]) if found else None


def with_batch(tree: PyTree, batch: Batch | None) -> PyTree:
    """Returns arrays with their leading axis sharded as `batch` says, and the others as they were."""
    if batch is None:
        return tree

    def on_leaf(array: Array) -> Array:
        sharding = _explicit(array)
        rest = (None,) * (array.ndim - 1) if sharding is None else sharding.spec[1:]
        return jax.sharding.reshard(array, NamedSharding(batch.mesh, PartitionSpec(batch.axis, *rest)))

    return jax.tree.map(on_leaf, tree)


def within_mesh(batch: Batch | None) -> contextlib.AbstractContextManager[Any]:
    """Makes the mesh of a batch, if there is one, that of the arrays that are made in the block, under `jax.jit`."""
    return contextlib.nullcontext() if batch is None else jax.sharding.use_abstract_mesh(batch.mesh)


def within(value: Array) -> Array:
    """Returns a number from outside of :func:`automatic` as one that can be computed with inside."""
    sharding = _explicit(value)
    if sharding is None:
        return value
    mesh = jax.sharding.get_abstract_mesh()
    outside = mesh.empty or _is_explicit(mesh)
    return value if outside else jax.sharding.reshard(value, NamedSharding(mesh, sharding.spec))


def sharded_like(value: Array, like: Array | jax.ShapeDtypeStruct) -> Array:
    """Returns an array that is sharded as one of the same shape, if the axes of the mesh of that are explicit."""
    sharding = _explicit(like)
    return value if sharding is None else jax.sharding.reshard(value, sharding)


def zeros_like(shape: jax.ShapeDtypeStruct) -> Array:
    """Returns zeros of a shape and a dtype, and sharded as the shape says if the axes of its mesh are explicit."""
    return sharded_like(jax.numpy.zeros(shape.shape, shape.dtype), shape)


def _explicit(array: Any) -> Any:
    """Returns the sharding of an array if the axes of its mesh are explicit, else None."""
    sharding = jax.typeof(array).sharding if _AUTO_AXES else None
    return sharding if sharding is not None and _is_explicit(sharding.mesh) else None


def _is_explicit(mesh: Any) -> bool:
    return AxisType.Explicit in mesh.axis_types
