"""What erased pixels are filled with."""

from typing import Literal, TypeAlias

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import widen
from regjax._src.types import Array, ArrayLike, Key

Fill: TypeAlias = ArrayLike | tuple[float, ...] | list[float] | Literal["normal", "normal_color"]


def as_fill(fill: Fill, x: Array) -> Array | str:
    """Returns a value for each channel, or the kind of noise.

    Args:
      fill: a number, one for each channel, or the kind of noise.
      x: array ``[batch, *spatial, channels]``.
    """
    if not isinstance(fill, str):
        value = checks.fill(fill, x)
        return jnp.expand_dims(value, tuple(range(x.ndim - value.ndim)))
    checks.one_of("fill", fill, ["normal", "normal_color"])
    checks.floating("x", x)
    return fill


def erase(key: Key, x: Array, box: Array, fill: Array | str) -> Array:
    """Fills the pixels of images in a box.

    Args:
      key: a PRNG key for noise.
      x: array ``[batch, *spatial, channels]``.
      box: boolean array ``[batch, *spatial, 1]``.
      fill: what :func:`as_fill` gives.
    """
    if not isinstance(fill, str):
        return jnp.where(box, fill, x)
    wide = widen(x)
    one_pixel = (slice(None), *(slice(1) for _ in x.shape[1:-1]))
    noise = random.normal(key, wide if fill == "normal" else wide[one_pixel])
    return jnp.where(box, noise.astype(x.dtype), x)
