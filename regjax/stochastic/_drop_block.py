"""DropBlock: contiguous regions of feature maps are lost."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks, random
from regjax._src.numerics import compute_dtype
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar

NORMALIZATIONS = ("expected", "realized")


def drop_block(
    key: Key,
    x: ArrayLike,
    rate: Scalar,
    *,
    block_size: int | Sequence[int],
    couple_channels: bool = True,
    normalize: str = "expected",
    axis_name: AxisName = None,
) -> Array:
    r"""Drops blocks of neighboring entries at random and scales up the others.

    .. math::

      y_i = \begin{cases} x_i / (1 - p) & \text{where no block covers } i \\ 0 & \text{elsewhere} \end{cases}

    Every block of :math:`b = b_1 \cdots b_n` positions that overlaps the map, those that reach over its border
    included, is dropped independently with probability

    .. math::

      \gamma = 1 - (1 - p)^{1 / b}

    As each position, at the border too, lies in exactly :math:`b` such blocks, it is dropped with probability
    :math:`1 - (1 - \gamma)^b = p`. So the rate is exact, for every size of map and block. The paper keeps blocks inside
    of the map, and its :math:`\gamma` counts what two blocks share twice: at a rate of 0.1, blocks of 7 x 7 on a map of
    14 x 14 then drop 9.3 % of it, 26 % of the middle and 0.6 % of the corners.

    With blocks of one position every entry draws for itself, as in :func:`regjax.stochastic.dropout`. With blocks much
    larger than the map nearly always all of it is dropped, or nothing.

    A dropped entry is 0 and has gradient 0 even where it was infinite or NaN. With :math:`p = 0` the result is `x`,
    with :math:`p = 1` it is zero and so are all its derivatives. No gradient flows to the rate.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      x: floating array ``[batch, *spatial, channels]`` with one or more spatial axes: sequences, images, volumes.
      rate: probability :math:`p` that an entry is dropped, in [0, 1]; may be traced, for a schedule.
      block_size: positions along each spatial axis, or one number for all of them; it may be even, and larger than
        the map.
      couple_channels: whether all channels of an example lose the same blocks, as by default in timm, or each draws
        for itself, which worked better in the paper and is what torchvision does. Examples always draw for themselves.
      normalize: `"expected"` divides by :math:`1 - p`, so that the result is unbiased. `"realized"` divides by the
        share of entries that this call keeps, as the paper, timm and torchvision do: what is kept then always has the
        same total factor, but the result for an example depends on the others in `x`.
      axis_name: under `shard_map`, the names of the mesh axes over which `x` is sharded, one or a tuple, so that each
        shard draws for itself: the same key means the same mask on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `x`, equal to `x` in expectation where the rate is below 1 and `normalize` is
      `"expected"`.

    Raises:
      TypeError: if `x` is not floating, `block_size` is not made of integers, or `rate`, `couple_channels` or `key` is
        of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], `x` has no spatial axis, `block_size` has a size below 1 or not
        one for each spatial axis, or `normalize` is none of these.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> y = regjax.stochastic.drop_block(jax.random.key(6), jnp.ones((1, 6, 12, 3)), 0.3, block_size=3)
      >>> for row in y[0, :, :, 0] > 0:
      ...     print("".join(".#"[int(kept)] for kept in row))
      ############
      ##########..
      ##########..
      ##########..
      ...#########
      ...#########

    References:
      Ghiasi et al, `DropBlock: A Regularization Method for Convolutional Networks
      <https://arxiv.org/abs/1810.12890>`_, 2018
    """
    x = checks.floating("x", x)
    checks.rate("rate", rate)
    spatial = checks.spatial_axes("x", x.shape, fewest=1)
    sizes = checks.block_sizes(block_size, spatial, x.shape)
    checks.flag("couple_channels", couple_channels)
    checks.one_of("normalize", normalize, NORMALIZATIONS)
    if random.settled(rate, 0.0):
        return x
    if random.settled(rate, 1.0):
        return jnp.zeros_like(x)
    drop = random.probability(rate)
    # A block starts up to one block before the map, so every position is covered by equally many.
    starts = [x.shape[axis] + size - 1 for axis, size in zip(spatial, sizes, strict=True)]
    shape = (x.shape[0], *starts, 1 if couple_channels else x.shape[-1])
    chance = _chance_of_block(drop, math.prod(sizes))
    dropped = _widen_by(random.rare_mask(random.for_shard(key, axis_name), chance, shape), spatial, sizes)
    keep = 1.0 - drop if normalize == "expected" else jnp.mean(~dropped, dtype=compute_dtype(x))
    return jnp.where(dropped, 0, random.unbias(x, keep))


def _chance_of_block(rate: float | Array, positions: int) -> float | Array:
    """Returns 1 - (1 - rate)**(1 / positions), accurate where it is small."""
    if isinstance(rate, jax.Array):
        return -jnp.expm1(jnp.log1p(-rate) / positions)
    return -np.expm1(np.log1p(-rate) / positions).item()


def _widen_by(starts: Array, axes: Sequence[int], sizes: Sequence[int]) -> Array:
    """Returns which positions are covered by blocks with these starts; along each axis, `size - 1` fewer."""
    for axis, size in zip(axes, sizes, strict=True):
        window = [size if a == axis else 1 for a in range(starts.ndim)]
        starts = jax.lax.reduce_window(starts, False, jax.lax.max, window, (1,) * starts.ndim, "valid")
    return starts
