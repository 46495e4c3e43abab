"""Cutout: a square of pixels is lost."""

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, Key, Scalar
from regjax.augment._boxes import centered_boxes, inside
from regjax.augment._fill import Fill, as_fill, erase


def cutout(key: Key, x: ArrayLike, size: Scalar | tuple[Scalar, ...], *, fill: Fill = 0.0) -> Array:
    r"""Erases a square of fixed size of every image.

    .. math::

      \{i : c - \lfloor s/2 \rfloor \le i < c - \lfloor s/2 \rfloor + s\}, \qquad
      c \sim \mathcal{U}\{0, \dots, n - 1\} \quad \text{along each axis of size } n

    Its center is anywhere on the image, and what is outside is cut off, so that squares at the edge are smaller. Every
    image draws its own.

    Args:
      key: a PRNG key.
      x: array ``[batch, *spatial, channels]`` of any real dtype, `uint8` included.
      size: the side of the square in pixels, an integer >= 0, or one for each spatial axis; may be traced.
      fill: a number, or one for each channel; or, for a floating `x`, "normal" for standard normal noise at every pixel
        and "normal_color" for one such color in the whole square.

    Returns:
      An array with the shape and dtype of `x`. Noise is drawn in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is an integer array to be filled with noise, or an argument is of a wrong kind.
      ValueError: if `x` has no spatial axes, `size` has not one number for each, or a number is out of its range.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.augment.cutout(jax.random.key(0), jnp.ones((1, 4, 6, 1), jnp.uint8), 3)[0, :, :, 0]
      Array([[1, 1, 1, 1, 1, 1],
             [1, 1, 1, 1, 1, 1],
             [1, 1, 1, 1, 0, 0],
             [1, 1, 1, 1, 0, 0]], dtype=uint8)

    References:
      DeVries and Taylor, `Improved Regularization of Convolutional Neural Networks with Cutout
      <https://arxiv.org/abs/1708.04552>`_, 2017
    """
    x = checks.any_array("x", x)
    spatial = checks.spatial_shape({"x": x.shape})
    sizes = size if isinstance(size, tuple | list) else (size,) * len(spatial)
    checks.one_for_each_axis("size", sizes, spatial)
    for side in sizes:
        checks.whole("size", side)
    filling = as_fill(fill, x)
    box_key, fill_key = random.split(key, 2)
    sides = jnp.stack([jnp.asarray(side).astype(jnp.int32) for side in sizes])
    low, high = centered_boxes(box_key, jnp.broadcast_to(sides, (x.shape[0], len(spatial))), spatial)
    return erase(fill_key, x, inside(low, high, spatial), filling)
