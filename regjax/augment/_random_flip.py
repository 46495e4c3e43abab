"""Random flips."""

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, Key, PyTree, Scalar
from regjax.augment._mixed import arrays, shapes


def random_flip(key: Key, x: PyTree, *, rate: Scalar = 0.5, axis: int | tuple[int, ...] = -2) -> PyTree:
    r"""Reverses each example at random, along each of the axes by a coin of its own.

    .. math::

      y_i = x_{n - 1 - i} \text{ with probability } p, \qquad y_i = x_i \text{ otherwise}

    With two axes and a rate of 1/2 the four results, neither, one, the other and both, are equally likely.

    Args:
      key: a PRNG key; a rate of 0 that is a Python number does not look at it.
      x: an array ``[batch, ...]`` of any dtype, such as images ``[batch, height, width, channels]``; or a tree of them,
        whose arrays are reversed together, such as images and their masks.
      rate: probability of reversing, in [0, 1]; may be traced.
      axis: the axes of `x` to reverse along, none of them the axis 0 of examples. -2 is the width of images with their
        channels last, and (-3, -2) adds the height.

    Returns:
      A tree like `x`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `rate`, `axis` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], `axis` is out of range, names an axis twice or names that of the
        examples, or the arrays of a tree have different numbers of examples, or `axis` means different axes of them.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> images = jnp.arange(6).reshape(2, 1, 3, 1)
      >>> regjax.augment.random_flip(jax.random.key(0), images, rate=1.0)[..., 0]
      Array([[[2, 1, 0]],
             [[5, 4, 3]]], dtype=int32)

    References:
      Krizhevsky et al, `ImageNet Classification with Deep Convolutional Neural Networks
      <https://doi.org/10.1145/3065386>`_, 2012
    """
    checks.rate("rate", rate)
    x = arrays("x", x, checks.any_array)
    batch = checks.batch_size(shapes("x", x), {})
    axes = checks.axes_of_examples(axis, shapes("x", x))
    if random.settled(rate, 0.0):
        return x
    coins = random.keep_mask(key, rate, (batch, len(axes)))

    def on_array(array: Array) -> Array:
        for index, along in enumerate(axes):
            reverse = jnp.expand_dims(coins[:, index], tuple(range(1, array.ndim)))
            array = jnp.where(reverse, jnp.flip(array, along), array)
        return array

    return jax.tree.map(on_array, x)
