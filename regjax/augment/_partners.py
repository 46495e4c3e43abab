"""Which example each example is mixed with."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.explicit import automatic
from regjax._src.types import Array, ArrayLike, Key


def random_partners(key: Key, batch: int, where: ArrayLike | None) -> Array:
    """Deals every example the next one on a random cycle through all of them.

    Every other example is as likely, whatever the order of the batch and the parity of its size, which rolling and
    flipping do not give; and no example is its own partner, as a plain permutation would make one of them on average.

    Args:
      key: a PRNG key.
      batch: the number of examples.
      where: boolean array ``[batch]`` of the examples on the cycle; the others, and one alone, are their own partners.

    Returns:
      An integer array ``[batch]``, a permutation.
    """
    order, count = jax.random.permutation(key, batch), batch
    if where is not None:
        mixed = checks.examples("where", checks.boolean("where", where), batch)
        order, count = order[jnp.argsort(~mixed[order])], mixed.sum()
    place = jnp.arange(batch)
    following = order[(place + 1) % jnp.maximum(count, 1)]
    return jnp.zeros_like(order).at[order].set(jnp.where(place < count, following, order), unique_indices=True)


def of_partners(x: Array, partner: Array) -> Array:
    """Returns the examples in the order of a permutation."""

    def in_order(x: Array, partner: Array) -> Array:
        return x.at[partner].get(mode="promise_in_bounds", unique_indices=True)

    return automatic(in_order, x, partner)
