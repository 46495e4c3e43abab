"""Batch normalization over virtual batches: the mathematics of which the layers of Linen and NNX are shells."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.explicit import automatic_tree
from regjax._src.numerics import widen
from regjax._src.types import Array


class Statistics(NamedTuple):
    """Mean and biased variance of each feature."""

    mean: Array
    var: Array


def split_batch(x: Array, virtual_batch_size: int) -> Array:
    """Returns `x` as ``[groups, rows, ...]``: as few groups as possible, of consecutive rows, as equal as possible.

    Where the groups can't be equal, the shorter ones lack one row, which is filled with zeros or False.
    """
    batch, *rest = x.shape
    groups = max(1, -(-batch // virtual_batch_size))
    rows, longer = divmod(batch, groups)
    if not longer:
        return x.reshape(groups, rows, *rest)
    cut = longer * (rows + 1)
    short = x[cut:].reshape(groups - longer, rows, *rest)
    padded = jnp.pad(short, [(0, 0), (0, 1)] + [(0, 0)] * len(rest))
    return jnp.concatenate([x[:cut].reshape(longer, rows + 1, *rest), padded])


def join_batch(grouped: Array, batch: int) -> Array:
    """Undoes :func:`split_batch`."""
    groups, _, *rest = grouped.shape
    longer = batch % groups
    if not longer:
        return grouped.reshape(batch, *rest)
    return jnp.concatenate([grouped[:longer].reshape(-1, *rest), grouped[longer:, :-1].reshape(-1, *rest)])


def _where(mask: Array | None, shape: tuple[int, ...], virtual_batch_size: int) -> Array | None:
    """Returns which entries of the groups count, in a shape that broadcasts to theirs; None means all."""
    ragged = shape[0] % max(1, -(-shape[0] // virtual_batch_size))
    if mask is None and not ragged:
        return None
    mask = jnp.ones((), bool) if mask is None else mask
    checks.broadcastable("mask", mask.shape, "x", shape)
    mask = mask.reshape((1,) * (len(shape) - mask.ndim) + mask.shape)
    return split_batch(jnp.broadcast_to(mask, (shape[0], *mask.shape[1:])), virtual_batch_size)


def _moments(x: Array, where: Array | None, axes: tuple[int, ...], fast: bool) -> tuple[Statistics, Array]:
    """Returns the statistics over `axes`, which are kept with size one, and the number of entries behind them."""
    if where is None:
        count = jnp.full((1,) * x.ndim, math.prod(x.shape[axis] for axis in axes), x.dtype)
    else:
        shared = math.prod(x.shape[axis] // max(where.shape[axis], 1) for axis in axes)
        count = jnp.sum(where, axes, x.dtype, keepdims=True) * shared
        x = jnp.where(where, x, 0)
    divisor = jnp.maximum(count, 1)
    mean = jnp.sum(x, axes, keepdims=True) / divisor
    if fast:
        square = jnp.sum(jnp.square(x), axes, keepdims=True) / divisor
        return Statistics(mean, jnp.maximum(square - jnp.square(mean), 0)), count
    deviation = x - mean if where is None else jnp.where(where, x - mean, 0)
    return Statistics(mean, jnp.sum(jnp.square(deviation), axes, keepdims=True) / divisor), count


def _average(
    groups: Statistics, count: Array, default: Statistics, axis_name: Any, axis_index_groups: Any
) -> Statistics:
    """Averages over the groups, weighted by their entries; features without any entry have the default."""
    count = jnp.broadcast_to(count, groups.mean.shape)
    totals = jnp.sum(jnp.stack([count * groups.mean, count * groups.var, count]), axis=1, keepdims=True)
    if axis_name is not None:
        totals = jax.lax.psum(totals, axis_name, axis_index_groups=axis_index_groups)
    mean, var, total = totals
    some = total > 0
    divisor = jnp.where(some, total, 1)
    return Statistics(jnp.where(some, mean / divisor, default.mean), jnp.where(some, var / divisor, default.var))


def ghost_batch_norm(
    x: Array,
    running: Statistics,
    scale: Array | None,
    bias: Array | None,
    *,
    virtual_batch_size: int,
    axis: Any,
    momentum: float,
    epsilon: float,
    use_fast_variance: bool,
    mask: Array | None,
    axis_name: Any,
    axis_index_groups: Any,
) -> tuple[Array, Statistics]:
    r"""Normalizes every virtual batch by its own statistics, and moves the running ones.

    For the entries :math:`x_{g,i}` of one feature in group :math:`g`, of which there are :math:`m_g`,

    .. math::

      y_{g,i} = \gamma \, \frac{x_{g,i} - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + \beta, \qquad
      \mu_g = \frac{1}{m_g} \sum_i x_{g,i}, \qquad \sigma_g^2 = \frac{1}{m_g} \sum_i (x_{g,i} - \mu_g)^2,

    and the running statistics move to :math:`\sum_g m_g \mu_g / \sum_g m_g` and
    :math:`\sum_g m_g \sigma_g^2 / \sum_g m_g`. A group without entries is normalized by these instead.

    Args:
      x: floating array ``[batch, ...]``.
      running: statistics with the shape of the features, in any floating dtype.
      scale: :math:`\gamma` with the shape of the features, or None for 1.
      bias: :math:`\beta` with the shape of the features, or None for 0.
      virtual_batch_size: the most rows in a group.
      axis: the axes of the features.
      momentum: how much of the running statistics stays.
      epsilon: :math:`\epsilon`.
      use_fast_variance: whether to compute the variance from the mean of squares, in one pass.
      mask: which entries count; broadcasts to `x`.
      axis_name: name of a mapped axis over which the running statistics are averaged.
      axis_index_groups: groups of indices in that axis.

    Returns:
      The normalized array in the dtype to compute in, and the running statistics in the dtypes they had.
    """
    x = widen(checks.floating("x", x))
    features = checks.axes(axis, x.shape, "`x`")
    checks.batch_is_no_feature(features, x.shape)
    checks.as_many_features(features, x.shape, running.mean.size)
    if axis_name is not None:
        checks.place("axis_name", axis_name, otherwise="the statistics are those of the whole batch")
    mask = None if mask is None else checks.flags_of_entries("mask", mask)
    axes = tuple(a + 1 for a in range(x.ndim) if a not in features)

    def compute(
        x: Array, running: Statistics, scale: Array | None, bias: Array | None, mask: Array | None
    ) -> tuple[Array, Statistics]:
        def expand(values: Array) -> Array:
            return values.astype(x.dtype).reshape([1] + [x.shape[a] if a in features else 1 for a in range(x.ndim)])

        groups = split_batch(x, virtual_batch_size)
        where = _where(mask, x.shape, virtual_batch_size)
        own, count = _moments(groups, where, axes, use_fast_variance)
        before = Statistics(*map(expand, running))
        shared = _average(own, count, before, axis_name, axis_index_groups)
        if mask is not None or not x.size:
            own = Statistics(*(jnp.where(count > 0, mine, ours) for mine, ours in zip(own, shared, strict=True)))
        factor = jax.lax.rsqrt(own.var + epsilon)
        y = (groups - own.mean) * (factor if scale is None else factor * expand(scale))
        y = join_batch(y if bias is None else y + expand(bias), x.shape[0])
        moved = (
            (momentum * old + (1 - momentum) * new).reshape(given.shape).astype(given.dtype)
            for given, old, new in zip(running, before, shared, strict=True)
        )
        return y, Statistics(*moved)

    return automatic_tree(compute, (x, running), x, running, scale, bias, mask)
