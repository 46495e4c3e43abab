"""Rounding at random, which loses nothing in expectation."""

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import bits
from regjax._src.types import Array, Key


def round_stochastically(key: Key, x: Array, dtype: jnp.dtype) -> Array:
    r"""Rounds float32 to a narrower dtype, up with the probability that keeps the expectation.

    With the step :math:`q` of the dtype at :math:`x` and :math:`u` uniform on multiples of 2^-24 in [0, 1):

    .. math::

      q \left( \lfloor x / q \rfloor + [u < x / q - \lfloor x / q \rfloor] \right)

    The step is a power of two, so that nothing but the choice is rounded, and the expectation is exact where :math:`x`
    has at most 24 bits below the step: for every normal number of the dtype. Numbers of the dtype come back as they
    are, infinities and NaN too, but those of bfloat16 below 2^-119, whose step is a subnormal number of float32: they
    are rounded to multiples of 2^-126. What lies beyond its largest number is rounded to the nearest.

    Args:
      key: a PRNG key.
      x: an array of float32.
      dtype: a floating dtype whose numbers float32 holds.
    """
    info = jnp.finfo(dtype)
    # The power of two at or below |x|. Conversions to the dtype and back are not used, since compilers may drop them.
    exponent = jax.lax.bitcast_convert_type(x, jnp.uint32) & np.uint32(0x7F800000)
    power = jax.lax.bitcast_convert_type(exponent, jnp.float32)
    # No step is subnormal in float32: processors often take such numbers for zero.
    least = max(float(info.smallest_subnormal), float(jnp.finfo(jnp.float32).tiny))
    step = jnp.maximum(power * np.float32(2.0**-info.nmant), np.float32(least))
    steps = x / step
    below = jnp.floor(steps)
    uniform = (bits.draw(key, x.shape) >> np.uint32(8)).astype(jnp.float32) * np.float32(2.0**-24)
    rounded = jnp.where(uniform < steps - below, below + 1, below) * step
    return jnp.where(jnp.abs(x) <= np.float32(info.max), rounded, x).astype(dtype)
