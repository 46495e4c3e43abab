"""Images read at other places than those of their pixels."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import widen
from regjax._src.types import Array, ArrayLike

INTERPOLATIONS = ("linear", "nearest")


def resample(x: Array, inverse: Array, shift: Array, *, interpolation: str, mode: str, fill: ArrayLike) -> Array:
    r"""Moves each image by an affine map about its centre.

    What was at :math:`p` comes to :math:`q = A p + t`, with positions in pixels (down, right) from the centre
    :math:`((h - 1) / 2, (w - 1) / 2)`; each pixel of the result reads the image at :math:`p = A^{-1} (q - t)`.

    Args:
      x: array ``[batch, height, width, channels]``.
      inverse: floating array ``[batch, 2, 2]``, :math:`A^{-1}`.
      shift: floating array ``[batch, 2]``, :math:`t`.
      interpolation: "linear" between the four nearest pixels, or "nearest".
      mode: what lies beyond the edge, in the words of `jnp.pad`.
      fill: the value of the mode "constant".
    """
    value = checks.fill(fill, x).reshape(1, 1, -1)
    rows, columns = _positions(x.shape[1:3], inverse, shift)

    def pixel(row: Array, column: Array) -> Array:
        return _pixel(x, row.astype(jnp.int32), column.astype(jnp.int32), mode, value)

    if interpolation == "nearest":
        return pixel(jnp.floor(rows + 0.5), jnp.floor(columns + 0.5)).reshape(x.shape)
    # Four gathers: the compiler fuses them into their sum, where it would write out the result of one for all corners.
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = rows - top, columns - left
    total = jnp.zeros((), down.dtype)
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - right), (left + 1, right)):
            total = total + _weighted(widen(pixel(row, column)), vertical * horizontal)
    return total.reshape(x.shape).astype(x.dtype)


def turn(degrees: Array) -> tuple[Array, Array]:
    """Returns the sine and the cosine of an angle, which are exact at multiples of 90 degrees."""
    quarters = jnp.round(degrees / 90)
    rest = jnp.deg2rad(degrees - 90 * quarters)
    sine, cosine = jnp.sin(rest), jnp.cos(rest)
    which = quarters.astype(jnp.int32) % 4
    return (
        jax.lax.select_n(which, sine, cosine, -sine, -cosine),
        jax.lax.select_n(which, cosine, -sine, -cosine, sine),
    )


def matrices(rows: tuple[tuple[Array, Array], tuple[Array, Array]]) -> Array:
    """Returns matrices ``[batch, 2, 2]`` from the rows of their entries ``[batch]``."""
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def _positions(shape: tuple[int, ...], inverse: Array, shift: Array) -> tuple[Array, Array]:
    """Returns the rows and columns ``[batch, height * width]`` at which the pixels of the result read the image."""
    # Sums of products on purpose: an accelerator may round the operands of a matrix product.
    middle = [(size - 1) / 2 for size in shape]
    down, right = (
        jnp.expand_dims(jnp.arange(size, dtype=shift.dtype) - middle[axis], (0, 2 - axis))
        - shift[:, axis][:, None, None]
        for axis, size in enumerate(shape)
    )
    entry = inverse[:, :, :, None, None]
    places = (entry[:, axis, 0] * down + entry[:, axis, 1] * right + middle[axis] for axis in range(2))
    rows, columns = (place.reshape(place.shape[0], shape[0] * shape[1]) for place in places)
    return rows, columns


def _pixel(x: Array, row: Array, column: Array, mode: str, fill: Array) -> Array:
    """Returns the pixels ``[batch, places, channels]`` at integer positions, which may lie beyond the edge."""
    batch, height, width, channels = x.shape
    place = _fold(row, height, mode) * width + _fold(column, width, mode)
    flat = x.reshape(batch, height * width, channels)
    found = jnp.take_along_axis(flat, place[..., None], axis=1, mode="promise_in_bounds")
    if mode != "constant":
        return found
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return jnp.where(inside[..., None], found, fill)


def _fold(index: Array, size: int, mode: str) -> Array:
    """Returns the index of the pixel that stands at a position."""
    if mode == "wrap":
        return index % size
    if mode == "symmetric":
        index = index % (2 * size)
        return jnp.minimum(index, 2 * size - 1 - index)
    if mode == "reflect":
        period = max(2 * size - 2, 1)
        index = index % period
        return jnp.minimum(index, period - index)
    return jnp.clip(index, 0, size - 1)


def _weighted(value: Array, weight: Array) -> Array:
    """Multiplies by a weight; what has none does not count, be it infinite."""
    weight = weight[..., None]
    return weight * jnp.where((weight == 0) & ~jnp.isfinite(value), 0, value)
