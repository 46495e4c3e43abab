"""Runs stochastic passes one chunk after the other and keeps only what is accumulated."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.shards import carried
from regjax._src.types import Array, Key, PyTree
from regjax.uncertainty._shared import Pass

Carry = TypeVar("Carry")


class Chunk(NamedTuple):
    """Some samples, stacked, and their place among all of them.

    Attributes:
      samples: tree of arrays of shape `[size, ...]`.
      valid: bools of shape `[size]`; the last chunk repeats the last sample where `size` does not divide.
      before: how many samples earlier chunks held, an int32 scalar.
      total: how many samples there are once the valid ones of this chunk are counted, an int32 scalar.
    """

    samples: PyTree
    valid: Array
    before: Array
    total: Array

    def select(self, values: Array) -> Array:
        """Returns `values` of shape `[size, ...]` with zeros where they are not valid."""
        return jnp.where(self.valid.reshape((-1,) + (1,) * (values.ndim - 1)), values, jnp.zeros_like(values))

    def sum(self, values: Array) -> Array:
        """Returns the sum of the valid ones of `values` of shape `[size, ...]`."""
        return _sum_of_slices(self.select(values))


# How many slices are added in one pass over memory.
_AT_ONCE = 8


@jax.custom_jvp
def _sum_of_slices(values: Array) -> Array:
    """Returns the sum over the leading axis.

    On a CPU XLA takes up to fifty times as long for that as for adding one slice after the other.
    """

    def one_by_one(values: Array) -> Array:
        rest = len(values) - 1

        def add(i: Array, total: Array) -> Array:
            return total + jax.lax.dynamic_index_in_dim(values, i, keepdims=False)

        return jax.lax.fori_loop(1, len(values), add, values[0], unroll=min(_AT_ONCE, rest)) if rest else values[0]

    return jax.lax.platform_dependent(values, cpu=one_by_one, default=lambda values: jnp.sum(values, 0, values.dtype))


@_sum_of_slices.defjvp
def _sum_of_slices_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Backwards this broadcasts, where the loop would fill an array slice by slice.
    return _sum_of_slices(*primals), jnp.sum(tangents[0], 0)


def check_arguments(fn: Any, key: Key, num_samples: int, batch_size: int | None) -> tuple[int, int]:
    """Returns the number of samples and how many to run at a time."""
    checks.function("fn", fn, of="a key")
    checks.key(key)
    num_samples = checks.at_least("num_samples", num_samples, 1)
    batch_size = 1 if batch_size is None else checks.at_least("batch_size", batch_size, 1)
    return num_samples, min(batch_size, num_samples)


def sample_key(key: Key, index: Array) -> Key:
    """Returns the key of one sample; it depends neither on the number of samples nor on how they are batched.

    An array of split keys would grow with the number of samples, and its first entries might change with it.
    """
    return jax.random.fold_in(key, index)


def fold_passes(
    one_pass: Pass,
    step: Callable[[Carry, Chunk], Carry],
    initial: Carry,
    key: Key,
    *,
    num_samples: int,
    size: int,
) -> Carry:
    """Accumulates `step` over chunks of `size` samples of `one_pass`.

    Args:
      one_pass: the samples as a function of their keys; what does not depend on them is computed once.
      step: a function of what is accumulated and a :class:`Chunk`, which returns the new accumulated value.
      initial: what is accumulated before the first chunk.
      key: a PRNG key.
      num_samples: how many samples there are.
      size: how many are computed at a time, at most `num_samples`.

    Returns:
      What is accumulated after the last chunk.
    """

    @jax.jit
    def fold(consts: list[Any], initial: Carry, key: Key) -> Carry:
        rest = one_pass.share(consts)

        # Without this, reverse mode would keep the activations of all passes.
        @functools.partial(jax.checkpoint, prevent_cse=False)
        def run(before: Array) -> PyTree:
            if size == 1:  # no `vmap`, which an rbg key or a callback would feel
                return jax.tree.map(lambda x: x[None], rest(sample_key(key, before)))
            indices = jnp.minimum(before + jnp.arange(size, dtype=jnp.int32), num_samples - 1)
            return jax.vmap(lambda index: rest(sample_key(key, index)))(indices)

        def body(carry: tuple[Carry, Array]) -> tuple[Carry, Array]:
            accumulated, before = carry
            total = jnp.minimum(before + size, num_samples)
            valid = before + jnp.arange(size, dtype=jnp.int32) < num_samples
            return step(accumulated, Chunk(run(before), valid, before, total)), before + size

        num_chunks = -(-num_samples // size)
        start = carried(body, (initial, jnp.zeros((), jnp.int32)))
        (accumulated, _), _ = jax.lax.scan(lambda carry, _: (body(carry), None), start, length=num_chunks)
        return accumulated

    return fold(one_pass.jaxpr.consts, initial, key)
