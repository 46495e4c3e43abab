"""Random crops."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.explicit import automatic
from regjax._src.types import Array, ArrayLike, Key, PyTree
from regjax.augment._mixed import arrays, shapes
from regjax.augment._space import on_each

# The words of `jnp.pad` for what lies beyond the edge.
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def random_crop(
    key: Key,
    x: PyTree,
    *,
    size: int | Sequence[int] | None = None,
    padding: int | Sequence[int | tuple[int, int]] = 0,
    mode: str = "constant",
    fill: ArrayLike | PyTree = 0,
) -> PyTree:
    r"""Cuts a window out of each padded example, at an offset of its own.

    .. math::

      y_i = \operatorname{pad}(x)_{o + i}, \quad 0 \le i < m, \qquad
      o \sim \mathcal{U}\{0, \dots, n - m\}

    for windows of size :math:`m` and padded examples of size :math:`n` along each axis. With ``padding=4`` and no size
    this is the usual augmentation of CIFAR: images of the size they had, moved by up to 4 pixels. The same key gives
    the same offsets to arrays of the same size in space.

    Args:
      key: a PRNG key.
      x: an array ``[batch, *space, channels]`` of any dtype, with one axis of space or more, such as images ``[batch,
        height, width, channels]`` or signals ``[batch, time, channels]``; or a tree of them with the same batch and
        space, which are cropped together. A mask needs its axis of channels too.
      size: the size of the window, one integer for all axes of space or one for each; None takes that of `x`.
      padding: the width to pad by, one integer for all axes of space, or for each an integer or a pair (before, after).
      mode: what the padding has: "constant" `fill`, "edge" the nearest entry, "reflect" the mirror image about the
        outermost entry, "symmetric" that about the edge, "wrap" the other side.
      fill: the value of the mode "constant", one for all channels or an array of one for each; for a tree, one value
        for all its arrays or a tree of values.

    Returns:
      A tree like `x`, in structure and dtypes, of arrays ``[batch, *size, channels]``.

    Raises:
      TypeError: if `size` or `padding` is not made of Python integers, or `key` or `fill` is of a wrong kind.
      ValueError: if the window is larger than the padded array, `padding` is negative, `mode` is unknown, `fill` is no
        value of the dtype, or the arrays of a tree differ in batch or space.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> images = jnp.ones((8, 32, 32, 3))
      >>> regjax.augment.random_crop(jax.random.key(0), images, padding=4).shape
      (8, 32, 32, 3)
      >>> regjax.augment.random_crop(jax.random.key(0), images, size=(24, 20)).shape
      (8, 24, 20, 3)

    References:
      Krizhevsky et al, `ImageNet Classification with Deep Convolutional Neural Networks
      <https://doi.org/10.1145/3065386>`_, 2012
    """
    checks.key(key)
    checks.one_of("mode", mode, MODES)
    x = arrays("x", x, checks.any_array)
    batch = checks.batch_size(shapes("x", x), {})
    space = checks.spatial_shape(shapes("x", x))
    widths = checks.padding(padding, len(space))
    padded = tuple(before + length + after for (before, after), length in zip(widths, space, strict=True))
    window = space if size is None else checks.crop_size(size, padded)
    room = np.subtract(padded, window).astype(np.int32)[None]
    offsets = jax.random.randint(key, (batch, len(space)), 0, room + 1, jnp.int32)

    def windows(array: Array, offsets: Array, value: Array) -> Array:
        wide = _pad(array, widths, mode, value)
        return jax.vmap(lambda example, offset: _cut(example, offset, window))(wide, offsets)

    def on_array(array: Array, fill: ArrayLike) -> Array:
        # A window of another size need not be divisible as the image was.
        cut = () if window == space else tuple(range(1, array.ndim - 1))
        return automatic(windows, array, offsets, checks.fill(fill, array), over=cut)

    return on_each(on_array, x, fill=fill)


def _pad(x: Array, widths: tuple[tuple[int, int], ...], mode: str, value: Array) -> Array:
    wide = jnp.pad(x, ((0, 0), *widths, (0, 0)), mode)
    if mode != "constant":
        return wide
    inside = np.pad(np.ones(x.shape[1:-1], bool), widths)[None, ..., None]
    return jnp.where(inside, wide, value.reshape((1,) * (x.ndim - 1) + (-1,)))


def _cut(example: Array, offset: Array, window: tuple[int, ...]) -> Array:
    start = (*offset, jnp.zeros((), offset.dtype))
    return jax.lax.dynamic_slice(example, start, (*window, example.shape[-1]))
