"""Eight devices as a mesh, in all versions of JAX."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

NAMES = ("data", "model")
# Sharded along both axes: whatever is normed, sorted or summed over crosses shards.
SPECS = {"bias": PartitionSpec("model"), "kernel": PartitionSpec("data", "model")}
# `jax.grad` itself did not pass the checks of `shard_map` at first.
IS_CHECKED = jax.__version_info__ >= (0, 7)
HAS_EXPLICIT = hasattr(jax.sharding, "auto_axes")


def mesh(*, explicit: bool = False) -> Mesh:
    kind = AxisType.Explicit if explicit else AxisType.Auto
    return Mesh(np.array(jax.devices()).reshape(4, 2), NAMES, axis_types=(kind,) * 2)


def put(tree: Any, specs: Any, *, explicit: bool = False) -> Any:
    on = mesh(explicit=explicit)
    return jax.tree.map(lambda leaf, spec: jax.device_put(leaf, NamedSharding(on, spec)), tree, specs)


def shard_map(function: Callable[..., Any], in_specs: Any, out_specs: Any) -> Callable[..., Any]:
    if hasattr(jax, "shard_map"):
        return jax.shard_map(function, mesh=mesh(), in_specs=in_specs, out_specs=out_specs, check_vma=IS_CHECKED)
    from jax.experimental.shard_map import shard_map as older

    return older(function, mesh(), in_specs, out_specs, check_rep=IS_CHECKED)
