"""Random erasing: a box of pixels is lost."""

import math

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import number
from regjax._src.types import Array, ArrayLike, Key, Scalar
from regjax.augment._boxes import inside
from regjax.augment._fill import Fill, as_fill, erase

_TRIES = 10


def random_erasing(
    key: Key,
    x: ArrayLike,
    *,
    rate: Scalar = 0.5,
    area: tuple[Scalar, Scalar] = (0.02, 1 / 3),
    aspect: tuple[Scalar, Scalar] = (0.3, 1 / 0.3),
    fill: Fill = 0.0,
) -> Array:
    r"""Erases a box of every image with some probability.

    On an image of height :math:`H` and width :math:`W` the box has, rounded to pixels,

    .. math::

      h = \sqrt{a H W \rho}, \quad w = \sqrt{a H W / \rho}, \qquad
      a \sim \mathcal{U}(\text{area}), \quad \log \rho \sim \mathcal{U}(\log \text{aspect})

    and lies anywhere inside. The first of 10 draws with :math:`h < H` and :math:`w < W` counts, and an image for which
    none fits stays whole, which is the distribution of torchvision and timm. Every image draws its own box.

    Args:
      key: a PRNG key.
      x: array ``[batch, height, width, channels]`` of any real dtype, `uint8` included.
      rate: probability of erasing, in [0, 1]; may be traced.
      area: the least and the largest share of the image to erase, in (0, 1]; may be traced.
      aspect: the least and the largest ratio of height to width, > 0; may be traced.
      fill: a number, or one for each channel; or, for a floating `x`, "normal" for standard normal noise at every pixel
        and "normal_color" for one such color in the whole box.

    Returns:
      An array with the shape and dtype of `x`. Noise is drawn in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is an integer array to be filled with noise, or an argument is of a wrong kind.
      ValueError: if `x` has not four axes, or a number is out of its range.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> image = jnp.ones((1, 4, 6, 1), jnp.uint8)
      >>> regjax.augment.random_erasing(jax.random.key(0), image, rate=1.0, area=(0.25, 0.25))[0, :, :, 0]
      Array([[1, 1, 0, 0, 0, 1],
             [1, 1, 0, 0, 0, 1],
             [1, 1, 1, 1, 1, 1],
             [1, 1, 1, 1, 1, 1]], dtype=uint8)

    References:
      Zhong et al, `Random Erasing Data Augmentation <https://arxiv.org/abs/1708.04896>`_, 2020
    """
    x = checks.any_array("x", x)
    checks.planes({"x": x.shape})
    spatial = checks.spatial_shape({"x": x.shape})
    checks.rate("rate", rate)
    checks.interval("area", area, 0, 1)
    checks.interval("aspect", aspect, 0)
    filling = as_fill(fill, x)
    coin_key, size_key, place_key, fill_key = random.split(key, 4)
    sides = _sides(size_key, x.shape[0], spatial, area, aspect)
    erased = ~random.keep_mask(coin_key, 1 - random.probability(rate), (x.shape[0], 1))
    room = jnp.asarray([spatial], jnp.int32) - sides
    low = jax.random.randint(place_key, room.shape, 0, room + 1, jnp.int32)
    box = inside(low, low + jnp.where(erased, sides, 0), spatial)
    return erase(fill_key, x, box, filling)


def _sides(
    key: Key, batch: int, spatial: tuple[int, ...], area: tuple[Scalar, Scalar], aspect: tuple[Scalar, Scalar]
) -> Array:
    """Returns the sides ``[batch, 2]`` of the first boxes that fit, and zeros where none does."""
    dtype = jnp.dtype(jnp.float32)
    # Drawn flat: XLA takes five times as long to compile the draw of a short last axis.
    u, v = jax.random.uniform(key, (2 * _TRIES * batch,), dtype).reshape(2, _TRIES, batch)
    least, most = (number(share, dtype) * math.prod(spatial) for share in area)
    flattest, steepest = (jnp.log(number(ratio, dtype)) for ratio in aspect)
    pixels, ratio = least + u * (most - least), jnp.exp(flattest + v * (steepest - flattest))
    tries = jnp.round(jnp.sqrt(jnp.stack([pixels * ratio, pixels / ratio]))).astype(jnp.int32)
    fits = jnp.all(tries < jnp.asarray(spatial, jnp.int32)[:, None, None], axis=0, keepdims=True)
    first = jnp.take_along_axis(tries, jnp.argmax(fits, axis=1, keepdims=True), axis=1)[:, 0]
    return jnp.where(jnp.any(fits, axis=1), first, 0).T
