"""Keys for branches and loops."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src.types import Array, Key


def bare(key: Key) -> tuple[Array, Callable[[Array], Key]]:
    """Returns keys as bare numbers, and the function that makes keys of them again.

    `jax.vmap` computes all branches of a conditional, each from the same key, although one result is kept; and it moves
    axes of what a loop runs over. The key-reuse check of JAX would take either for a reuse.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key, lambda data: data
    return jax.random.key_data(key), functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))
