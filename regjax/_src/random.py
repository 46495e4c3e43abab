"""What random bits make of a rate: masks, noise and keys."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import bits, checks
from regjax._src.numerics import compute_dtype, number, widen
from regjax._src.types import Array, AxisName, Key, Scalar


def settled(amount: Scalar, *values: float) -> bool:
    """Tells whether a rate that lives on the host is one of `values`; a traced one is never looked at."""
    return not isinstance(amount, jax.Array) and _on_host(amount) in values


def probability(rate: Scalar) -> float | Array:
    """Returns a Python number for a rate that lives on the host, else a constant in the dtype to compute in.

    Never the dtype of the activations: there 0.999 may be 1. No gradient flows to a rate.
    """
    if not isinstance(rate, jax.Array):
        return _on_host(rate)
    dtype = compute_dtype(rate) if jnp.issubdtype(rate.dtype, jnp.floating) else jnp.float32
    return jax.lax.stop_gradient(rate.astype(dtype))


def for_shard(key: Key, axis_name: AxisName) -> Key:
    """Returns a key for each place along some axes of a mesh, or the key itself where `axis_name` is None.

    Under `shard_map` all shards compute with the same key, so that they would draw the same.
    """
    if axis_name is None:
        return key
    checks.key(key)
    return jax.random.fold_in(key, checks.place("axis_name", axis_name))


def mark_as_used(key: Key) -> None:
    """Draws nothing from a key, so that who looks for keys that are used twice sees the second use."""
    jax.random.bits(key, (0,), jnp.uint32)


def for_many_draws(key: Key) -> tuple[Array, Callable[[Array], Key]]:
    """Returns the data of a key, and what makes keys of them that draw the same on purpose."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    return jax.random.key_data(key), functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))


def keep_mask(key: Key, keep: Scalar, shape: tuple[int, ...], *, after: Array | None = None) -> Array:
    """Returns a boolean array that is true with probability `keep`, drawn as Flax draws it.

    Args:
      key: a PRNG key.
      keep: a Python number, or a traced scalar.
      shape: the shape of the mask.
      after: what the mask waits for, as in :func:`bits.draw`.
    """
    checks.key(key)
    chance = jnp.asarray(probability(keep))
    if chance.dtype == jnp.float32:
        return _bernoulli(key, chance, shape, after)
    return jax.random.bernoulli(key, chance, shape)


@functools.partial(jax.jit, static_argnums=2)
def _bernoulli(key: Key, chance: Array, shape: tuple[int, ...], after: Array | None) -> Array:
    # JAX asks whether k / 2^23 < chance for the upper 23 bits k. Scaling by a power of two changes no comparison, and
    # integers are below a number where they are below the next integer. So none is converted; NaN keeps nothing.
    threshold = jnp.where(chance > 0, jnp.minimum(jnp.ceil(chance * 2.0**23), 2.0**23), 0).astype(jnp.int32)

    def below(words: Array) -> Array:
        return (words >> np.uint32(9)).astype(jnp.int32) < threshold

    # A mask that fits the caches is cheaper to read again, by the backward pass, than to draw again.
    return bits.draw(key, shape, below, in_memory=after is None and bits.fits(shape, bits.SMALL), after=after)


def coarse_mask(
    key: Key, keep: float | Array, shape: tuple[int, ...], width: int, *, after: Array | None = None
) -> tuple[Array, float | Array]:
    """Returns a mask that spends `width` bits for each entry, and the probability with which it is really true.

    That is the nearest multiple of 2^-width but for 0 and 1, which only a `keep` of exactly 0 and 1 becomes.

    Args:
      key: a PRNG key.
      keep: a Python number, or a traced scalar.
      shape: the shape of the mask.
      width: 8 or 16.
      after: what the mask waits for, as in :func:`bits.draw`.
    """
    checks.key(key)
    steps = 2**width
    if isinstance(keep, jax.Array):
        count = jnp.clip(jnp.round(keep * steps), 1, steps - 1)
        count = jnp.where(keep <= 0, 0, jnp.where(keep >= 1, steps, count))
    else:
        count = round(keep * steps)
        checks.rate_in_steps("rate", round(1.0 - keep, 15), count, width)
    return _below(key, jnp.asarray(count).astype(jnp.uint32), shape, width, after), count / steps


@functools.partial(jax.jit, static_argnums=(2, 3))
def _below(key: Key, threshold: Array, shape: tuple[int, ...], width: int, after: Array | None) -> Array:
    return bits.pieces(key, shape, width, lambda piece: piece < threshold, after=after).astype(bool)


def rare_mask(key: Key, chance: Scalar, shape: tuple[int, ...]) -> Array:
    """Returns a boolean array that is true with probability `chance`, which may be much smaller than one.

    It compares 32 random bits, where :func:`keep_mask` has 23 as Flax has: steps of 1e-7 are coarse for a chance of
    1e-5.

    Args:
      key: a PRNG key.
      chance: a Python number, or a traced scalar.
      shape: the shape of the mask.
    """
    checks.key(key)
    chance = jnp.asarray(probability(chance))
    always = chance >= 1
    threshold = (jnp.where(always, 0, chance) * 2.0**32).astype(jnp.uint32)
    return always | (bits.draw(key, shape) < threshold)


def normal(key: Key, like: Array) -> Array:
    """Returns standard normal noise with the shape and dtype of an array that is in the dtype to compute in."""
    checks.key(key)
    return jax.random.normal(key, like.shape, like.dtype)


def logistic(key: Key, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
    """Returns standard logistic noise, which is the logit of uniform noise."""
    checks.key(key)
    return jax.random.logistic(key, shape, dtype)


def add_normal(key: Key, x: Array, stddev: Scalar) -> Array:
    """Adds normal noise that is drawn in the dtype to compute in; the result is differentiable in `stddev`."""
    if settled(stddev, 0.0):
        return x
    wide = widen(x)
    return (wide + number(stddev, wide.dtype) * normal(key, wide)).astype(x.dtype)


def split(key: Key, count: int) -> Array:
    """Returns `count` independent keys."""
    checks.key(key)
    return jax.random.split(key, count)


def mask_shape(shape: tuple[int, ...], broadcast_dims: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape of a mask that is shared along `broadcast_dims`."""
    shared = checks.axes(checks.shared_axes("broadcast_dims", broadcast_dims), shape, "`x`", name="broadcast_dims")
    return tuple(1 if axis in shared else size for axis, size in enumerate(shape))


def unbias(x: Array, keep: float | Array) -> Array:
    """Returns x / keep in the dtype of `x`, as Flax does.

    Where `keep` is zero, or so small that 1 / keep may overflow in that dtype, it returns `x`: what is as good as never
    kept needs no scale, and its gradient must be zero, not NaN.
    """
    smallest = jnp.finfo(x.dtype).tiny
    if isinstance(keep, jax.Array):
        divisor = keep.astype(x.dtype)
        return x / jnp.where(divisor >= smallest, divisor, 1)
    return x / keep if keep >= smallest else x


def unbias_kept(mask: Array, x: Array, keep: float | Array) -> Array:
    """Returns `unbias(x, keep)` where the mask is true, and 0 elsewhere."""
    if x.dtype != jnp.bfloat16:
        return jnp.where(mask, unbias(x, keep), 0)
    # Most processors compute in float32 and round after each operation; so they round once, to the same numbers.
    rounded = keep.astype(x.dtype) if isinstance(keep, jax.Array) else float(np.asarray(keep, x.dtype))
    return jnp.where(mask, unbias(widen(x), rounded), 0).astype(x.dtype)


def _on_host(amount: Scalar) -> float:
    return np.asarray(amount, float).item()
