"""Operations on the colours of one image ``[height, width, channels]`` with values in [0, 1].

Each is that of Pillow, which AutoAugment is defined by, on floats. An amount of 0 leaves an image as it is.
"""

import jax
import jax.numpy as jnp

from regjax._src.types import Array

# ITU-R 601-2, as in Pillow.
_LUMA = (0.299, 0.587, 0.114)


def autocontrast(image: Array) -> Array:
    """Stretches each channel to [0, 1]; a channel of one value stays."""
    low, high = image.min((0, 1), keepdims=True), image.max((0, 1), keepdims=True)
    varies = high > low
    return jnp.where(varies, (image - low) / jnp.where(varies, high - low, 1), image)


def equalize(image: Array) -> Array:
    """Makes the histogram of each channel flat, on 256 levels."""
    levels = _levels(image).reshape(-1, image.shape[-1])

    def on_channel(level: Array) -> tuple[Array, Array]:
        counts = jnp.zeros(256, jnp.int32).at[level].add(1)
        step = (level.size - counts[level.max()]) // 255
        below = jnp.cumsum(counts) - counts
        table = jnp.clip((below + step // 2) // jnp.maximum(step, 1), 0, 255)
        return table[level], jnp.full_like(level, step)

    flat, steps = jax.vmap(on_channel, 1, 1)(levels)
    return jnp.where(steps > 0, flat.astype(image.dtype) / 255, image.reshape(flat.shape)).reshape(image.shape)


def solarize(image: Array, amount: Array) -> Array:
    """Inverts what is as bright as 256 (1 - amount) / 255, which at 1 is everything."""
    return jnp.where(image >= (1 - amount) * (256 / 255), 1 - image, image)


def posterize(image: Array, amount: Array) -> Array:
    """Keeps the high bits of 8: all of them at 0, four at 1."""
    lost = jnp.round(4 * amount).astype(jnp.int32)
    kept = (_levels(image) >> lost) << lost
    return jnp.where(lost > 0, kept.astype(image.dtype) / 255, image)


def brightness(image: Array, amount: Array) -> Array:
    """Moves an image away from black, or towards it."""
    return _away_from(jnp.zeros_like(image), image, amount)


def contrast(image: Array, amount: Array) -> Array:
    """Moves an image away from its mean grey, or towards it."""
    return _away_from(_grey(image).mean(), image, amount)


def color(image: Array, amount: Array) -> Array:
    """Moves an image away from its greyscale version, or towards it."""
    return _away_from(_grey(image), image, amount)


def sharpness(image: Array, amount: Array) -> Array:
    """Moves an image away from a smoothed version, or towards it; the outermost pixels stay."""
    if min(image.shape[:2]) < 3:
        return image
    beside = image[:, :-2] + image[:, 1:-1] + image[:, 2:]
    around = beside[:-2] + beside[1:-1] + beside[2:]
    smooth = image.at[1:-1, 1:-1].set((around + 4 * image[1:-1, 1:-1]) / 13)
    return _away_from(smooth, image, amount)


def _away_from(plain: Array, image: Array, amount: Array) -> Array:
    """Returns what is as much farther from `plain` as `amount` tells, or nearer where it is negative."""
    return jnp.clip((1 + amount) * image - amount * plain, 0, 1)


def _grey(image: Array) -> Array:
    """Returns the luma of three channels, and the mean of another number of channels, as one channel."""
    if image.shape[-1] != len(_LUMA):
        return image.mean(-1, keepdims=True)
    return sum((image[..., i : i + 1] * share for i, share in enumerate(_LUMA)), jnp.zeros((), image.dtype))


def _levels(image: Array) -> Array:
    """Returns an image in 256 integer levels."""
    return jnp.clip(jnp.round(image * 255), 0, 255).astype(jnp.int32)
