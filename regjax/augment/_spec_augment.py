"""SpecAugment: stripes of time and of frequency are lost."""

from typing import Literal

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import number, widen
from regjax._src.types import Array, ArrayLike, Key, Scalar


def spec_augment(
    key: Key,
    x: ArrayLike,
    *,
    num_time_masks: int,
    max_time: Scalar,
    num_frequency_masks: int,
    max_frequency: Scalar,
    time_ratio: Scalar = 1.0,
    fill: Scalar | Literal["mean"] = 0.0,
    lengths: ArrayLike | None = None,
) -> Array:
    r"""Masks stripes of time and of frequency in every spectrogram.

    Of :math:`\tau` frames and :math:`\nu` frequencies each mask covers

    .. math::

      [t_0, t_0 + t), \quad t \sim \mathcal{U}\{0, \dots, \min(T, \lfloor p \tau \rfloor)\}, \quad
      t_0 \sim \mathcal{U}\{0, \dots, \tau - t\} \\
      [f_0, f_0 + f), \quad f \sim \mathcal{U}\{0, \dots, F\}, \quad f_0 \sim \mathcal{U}\{0, \dots, \nu - f\}

    drawn for every mask and every example by itself. Masks may overlap. The policy "LibriSpeech double" of the paper is
    two masks of either kind with :math:`T = 100` and :math:`F = 27`. Its time warping, which it found to matter least,
    is left out.

    Args:
      key: a PRNG key.
      x: floating array ``[batch, time, frequency, ...]``; what follows, such as channels, shares the masks.
      num_time_masks: the number of masks of time, a Python integer >= 0.
      max_time: the largest width :math:`T` of a mask of time, an integer >= 0; may be traced.
      num_frequency_masks: the number of masks of frequency, a Python integer >= 0.
      max_frequency: the largest width :math:`F` of a mask of frequency, an integer in [0, :math:`\nu`]; may be traced.
      time_ratio: the largest share :math:`p` of the frames that one mask of time may cover, in [0, 1]; may be traced.
      fill: the number to put in place, or "mean" for the mean of each example. They are the same where examples are
        normalized to mean 0.
      lengths: integer array ``[batch]`` of the numbers of frames :math:`\tau`, where examples are padded at the end.
        Padding stays as it is, and has no part in the mean. None stands for no padding.

    Returns:
      An array with the shape and dtype of `x`.

    Raises:
      TypeError: if `x` is not floating, `lengths` not an integer array, or an argument of a wrong kind.
      ValueError: if `x` has fewer than three axes, or a number is out of its range.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> widths = {"num_time_masks": 1, "max_time": 2, "num_frequency_masks": 1, "max_frequency": 3}
      >>> mask = jax.jit(lambda key, x: regjax.augment.spec_augment(key, x, **widths))
      >>> mask(jax.random.key(6), jnp.ones((1, 4, 6)))[0]
      Array([[1., 1., 0., 0., 1., 1.],
             [0., 0., 0., 0., 0., 0.],
             [1., 1., 0., 0., 1., 1.],
             [1., 1., 0., 0., 1., 1.]], dtype=float32)

    References:
      Park et al, `SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition
      <https://arxiv.org/abs/1904.08779>`_, 2019

      Park et al, `SpecAugment on Large Scale Datasets <https://arxiv.org/abs/1912.05533>`_, 2020 (adaptive widths)
    """
    x = checks.floating("x", x)
    batch, frames, frequencies = checks.spectrograms(x.shape)
    num_time_masks = checks.at_least("num_time_masks", num_time_masks, 0)
    num_frequency_masks = checks.at_least("num_frequency_masks", num_frequency_masks, 0)
    checks.whole("max_time", max_time)
    checks.whole("max_frequency", max_frequency, 0, frequencies)
    checks.rate("time_ratio", time_ratio)
    checks.number_or_word("fill", fill, "mean")
    sizes = jnp.full(batch, frames, jnp.int32)
    if lengths is not None:
        sizes = jnp.clip(checks.lengths(lengths, batch, frames).astype(jnp.int32), 0, frames)
    time_key, frequency_key = random.split(key, 2)
    widest = jnp.minimum(number(max_time, sizes.dtype), _share(time_ratio, sizes))
    in_time = _stripes(time_key, num_time_masks, widest, sizes, frames)
    heights = jnp.full_like(sizes, frequencies)
    widest = jnp.minimum(number(max_frequency, sizes.dtype), heights)
    in_frequency = _stripes(frequency_key, num_frequency_masks, widest, heights, frequencies)
    real = jnp.arange(frames, dtype=jnp.int32)[None] < sizes[:, None]
    masked = (in_time[:, :, None] | in_frequency[:, None]) & real[:, :, None]
    behind = tuple(range(3, x.ndim))
    value = _mean(x, jnp.expand_dims(real, (2, *behind))) if isinstance(fill, str) else jnp.asarray(fill)
    return jnp.where(jnp.expand_dims(masked, behind), value.astype(x.dtype), x)


def _share(ratio: Scalar, sizes: Array) -> Array:
    """Returns floor(ratio * sizes), in which 0.7 * 10 is 7."""
    product = number(ratio, jnp.dtype(jnp.float32)) * sizes.astype(jnp.float32)
    return jnp.floor(product * (1 + 1e-6)).astype(jnp.int32)


def _mean(x: Array, real: Array) -> Array:
    """Returns the mean of each example over its real frames, with the axes kept."""
    wide, axes = widen(x), tuple(range(1, x.ndim))
    real = jnp.broadcast_to(real, x.shape)
    count = jnp.sum(real, axes, keepdims=True).astype(wide.dtype)
    return jnp.sum(jnp.where(real, wide, 0), axes, keepdims=True) / jnp.maximum(count, 1)


def _stripes(key: Key, count: int, widest: Array, sizes: Array, total: int) -> Array:
    """Returns a boolean array ``[batch, total]``, true inside of `count` stripes of each example."""
    width_key, place_key = random.split(key, 2)
    shape = (*sizes.shape, count)
    width = jax.random.randint(width_key, shape, 0, widest[:, None] + 1, jnp.int32)
    start = jax.random.randint(place_key, shape, 0, sizes[:, None] - width + 1, jnp.int32)
    index = jnp.arange(total, dtype=jnp.int32)[None, None]
    start, stop = start[:, :, None], (start + width)[:, :, None]
    return jnp.any((index >= start) & (index < stop), axis=1)
