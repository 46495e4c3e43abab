"""Random bits: those of JAX, computed where they are used.

JAX hashes a counter for each element. On CPU it does so in a loop over rounds that no other operation is fused with, so
that every round goes through memory. Here the rounds are written out: what compares the bits and selects with them
becomes one pass together with the hash.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.blocks import is_early
from regjax._src.shards import varying_like
from regjax._src.types import Array, Key

# So many results fit the caches.
SMALL = 2**22
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
# Other numbers come out of the first, and who turned on the second wants a kernel of JAX's own.
_SETTINGS = {"jax_threefry_partitionable": True, "jax_threefry_gpu_kernel_lowering": False}
_PARITY = np.uint32(0x1BD11BDA)


def draw(
    key: Key,
    shape: tuple[int, ...],
    then: Callable[[Array], Array] = lambda words: words,
    *,
    in_memory: bool = False,
    after: Array | None = None,
) -> Array:
    """Returns `then(jax.random.bits(key, shape, jnp.uint32))`, bit for bit.

    Args:
      key: one PRNG key, of any implementation.
      shape: the shape of the bits.
      then: what is made of the bits, elementwise.
      in_memory: whether the result is an array in memory that all its readers share; otherwise fusion may compute it
        again in each of them.
      after: a floating array of that shape, each of whose elements the element of the result waits for. So the
        compiler takes this draw for another one than one from the same key after something else, and does not keep the
        one for the other. Numbers that come out of JAX's own functions wait for nothing.
    """
    checks.key(key)
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if not _is_written_out(key, shape):
        return then(jax.random.bits(key, shape, jnp.uint32))
    compute = functools.partial(_compute, shape=shape, then=then)
    inputs = (_data(key),) if after is None else (_data(key), is_early(after))
    return _in_memory(compute, *inputs) if in_memory else compute(*inputs)


def pieces(
    key: Key, shape: tuple[int, ...], width: int, then: Callable[[Array], Array], *, after: Array | None = None
) -> Array:
    """Returns what `then` makes of unsigned integers of 8 or 16 random bits, as bytes.

    The integers are cut, from the low end, out of as few words of 32 bits as rows of the last axis need. Axes of size
    one are passed over, so that an axis of many elements is cut. Where its size is a multiple of what a word holds,
    shards of whole words need nothing of each other.

    Args:
      key: one PRNG key, of any implementation.
      shape: the shape of the result.
      width: 8 or 16.
      then: what is made of integers below 2^width in uint32, elementwise: again integers, below 2^8, or booleans.
      after: as in `draw`; a word waits for the first of its elements. On several devices nothing waits, since picking
        those out of sharded arrays may gather them.
    """
    per_word = 32 // width
    *rows, last = [size for size in shape if size != 1] or [1]

    def to_bytes(words: Array) -> Array:
        # Before they are stored, since two bytes for each element take longer to write and read than to hash.
        packed = jnp.uint32(0)
        for place in range(per_word):
            piece = words >> np.uint32(width * place) & np.uint32(2**width - 1)
            packed = packed | then(piece).astype(jnp.uint32) << np.uint32(8 * place)
        return packed.astype(jnp.uint32 if width == 8 else jnp.uint16)

    if after is not None:
        after = after.reshape(*rows, last)[..., ::per_word] if jax.device_count() == 1 else None
    packed = draw(key, (*rows, -(-last // per_word)), to_bytes, in_memory=True, after=after)
    parts = jax.lax.bitcast_convert_type(packed, jnp.uint8)
    return parts.reshape(*rows, packed.shape[-1] * per_word)[..., :last].reshape(shape)


def fits(shape: tuple[int, ...], most: int) -> bool:
    """Tells whether a shape is known to have so many elements at most; that of an export may be symbolic."""
    return all(isinstance(size, int) for size in shape) and math.prod(shape) <= most


def _is_written_out(key: Key, shape: tuple[int, ...]) -> bool:
    return (
        jax.random.key_impl(key) == "threefry2x32"
        and all(getattr(jax.config, name, value) == value for name, value in _SETTINGS.items())
        and fits(shape, 2**32 - 1)
    )


@jax.jit
def _data(key: Key) -> Array:
    # Reading the data of a key does not mark it as used; drawing nothing from it does.
    jax.random.bits(key, (0,), jnp.uint32)
    return jax.random.key_data(key)


def _compute(data: Array, early: Array | None = None, *, shape: tuple[int, ...], then: Callable[..., Array]) -> Array:
    return then(_threefry(data, shape, early))


def _in_memory(compute: Callable[..., Array], data: Array, *early: Array) -> Array:
    """Returns `compute(data, *early)` as an array that XLA does not fuse into its readers."""

    def nothing(data: Array, *early: Array) -> Array:
        like = jax.eval_shape(compute, data, *early)
        zeros = jnp.broadcast_to((data[0] & np.uint32(0)).astype(like.dtype), like.shape)
        return varying_like(zeros, early[0]) if early else zeros

    def on_cpu(data: Array, *early: Array) -> Array:
        # There XLA fuses across barriers, but not across a choice of which it cannot know that it is none.
        always = (data[0] | np.uint32(1)) > 0
        return jax.lax.cond(always, compute, nothing, data, *early)

    def elsewhere(data: Array, *early: Array) -> Array:
        return jax.lax.optimization_barrier(compute(data, *early))

    return jax.lax.platform_dependent(data, *early, cpu=on_cpu, default=elsewhere)


@functools.partial(jax.jit, static_argnums=1)
def _threefry(data: Array, shape: tuple[int, ...], early: Array | None) -> Array:
    """Returns the two words of Threefry-2x32 with 20 rounds of the counter (0, i) for each element i, XORed.

    Args:
      data: the two words of the key.
      shape: the shape of the result.
      early: what the counter waits for: False, element by element.
    """
    words = data[0], data[1], data[0] ^ data[1] ^ _PARITY
    positions = _positions(shape) if early is None else _positions(shape) + early.astype(jnp.uint32)
    high, low = words[0], positions + words[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            high = high + low
            low = high ^ (low << np.uint32(rotation) | low >> np.uint32(32 - rotation))
        high = high + words[(group + 1) % 3]
        low = low + (words[(group + 2) % 3] + np.uint32(group + 1))
    return high ^ low


def _positions(shape: tuple[int, ...]) -> Array:
    """Numbers the elements in the order of the rows, each axis by itself so that shards need nothing of each other."""
    result = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]))
        result = result + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    return result
