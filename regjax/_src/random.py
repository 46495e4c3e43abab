"""The one place that draws random bits for masks."""

import jax
import jax.numpy as jnp

from regjax._src.types import Array, Key, Scalar


def keep_mask(key: Key, keep: Scalar, shape: tuple[int, ...]) -> Array:
    """Returns a boolean array that is true with probability `keep`, drawn as Flax draws it.

    Args:
      key: a PRNG key.
      keep: a Python number, or a traced scalar; never in the dtype of the activations, where 0.999 would be 1.
      shape: the shape of the mask.
    """
    if not isinstance(keep, float | int):
        keep = jnp.asarray(keep).astype(jnp.float32)
    return jax.random.bernoulli(key, keep, shape)
