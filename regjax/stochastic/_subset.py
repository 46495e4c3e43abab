"""The mode of a residual block that computes the branch on some rows only."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.explicit import automatic
from regjax._src.numerics import widen
from regjax._src.types import Array, AxisName, Key, Scalar


def kept_rows(batch: int, rate: Scalar) -> int:
    """Returns max(floor(batch * (1 - rate)), 1), and never more than there are.

    The small surplus forgives the rounding of the rate, be it a float32: of 20 rows, 20 * (1 - 0.9) are 2.
    """
    checks.rate_on_host("subset", rate)
    return min(max(math.floor(batch * (1.0 - random.probability(rate) + 1e-7)), 1), batch)


def subset(key: Key, branch: Callable[[Array], Array], x: Array, rate: Scalar, *, axis_name: AxisName) -> Array:
    """Adds the branch, computed on a fixed number of random rows and scaled up by their share."""
    batch = x.shape[0]
    count = kept_rows(batch, rate)
    if count == batch:
        return x + branch(x)
    checks.key(key)
    # In the order of the batch, so that memory is read and written in order.
    rows = jnp.sort(jax.random.permutation(random.for_shard(key, axis_name), batch)[:count])
    residual = branch(automatic(_get, x, rows, over=(0,)))
    dtype = jnp.result_type(x, residual)
    scaled = (widen(residual) * (batch / count)).astype(dtype)
    return automatic(_add, x.astype(dtype), rows, scaled)


def _get(x: Array, rows: Array) -> Array:
    return x.at[rows].get(unique_indices=True, indices_are_sorted=True)


def _add(x: Array, rows: Array, change: Array) -> Array:
    return x.at[rows].add(change, unique_indices=True, indices_are_sorted=True)
