"""The masks of Masksembles."""

import bisect
import functools
import math

import numpy as np

from regjax._src import checks


def masksembles_masks(num_features: int, num_masks: int, scale: float, *, seed: int = 0) -> np.ndarray:
    r"""Makes a few fixed masks of features that overlap as much as one asks for.

    As in the paper, each of the :math:`n` masks picks :math:`m` of :math:`M \approx m s` positions at random, and
    positions that no mask picked are left out, so that

    .. math::

      C = m s \left( 1 - (1 - 1 / s)^n \right)

    features are left. Here :math:`C` is given: :math:`m` follows from it, and :math:`M` is chosen so that :math:`C`
    features are left on average; masks are drawn until there are no more, and if there are fewer, some picks that masks
    share are moved. So every mask has the same number :math:`m` of features, and every feature is in some mask.

    With :math:`s = 1`, all masks are the same and drop nothing, as in a single model. The larger :math:`s`, the less
    the masks share, two of them about :math:`1 / s` of their features, and the closer one is to an ensemble of
    :math:`n` separate models of :math:`C / n` features each.

    The masks are made by NumPy, from bits that stay the same from version to version: they depend on the arguments
    only, so that no checkpoint has to carry them.

    Args:
      num_features: the number :math:`C` of features, at least 1.
      num_masks: the number :math:`n` of masks, at least 1.
      scale: :math:`s \geq 1`, a Python number.
      seed: which masks; layers of one model may share it.

    Returns:
      A boolean NumPy array ``[num_masks, num_features]`` that can't be written to; True is kept.

    Raises:
      TypeError: if an argument is of a wrong kind.
      ValueError: if an argument is too small, or `scale` is not finite.

    Examples:
      >>> import regjax
      >>> masks = regjax.stochastic.masksembles_masks(16, 4, 2.0)
      >>> masks.sum(axis=1)
      array([9, 9, 9, 9])
      >>> bool(masks.any(axis=0).all())
      True

    References:
      Durasov et al, `Masksembles for Uncertainty Estimation <https://arxiv.org/abs/2012.08334>`_, 2021
    """
    return _masks(
        checks.at_least("num_features", num_features, 1),
        checks.at_least("num_masks", num_masks, 1),
        checks.mask_scale(scale),
        checks.at_least("seed", seed, 0, maximum=math.inf),
    )


@functools.lru_cache(maxsize=256)
def _masks(features: int, count: int, scale: float, seed: int) -> np.ndarray:
    kept = round(features / _models(1 / scale, count))
    kept = min(max(kept, -(-features // count)), features)

    def left(positions: int) -> float:
        """Returns how many positions are picked by some mask, on average."""
        return kept * _models(kept / positions, count)

    # Among so many positions, masks share less than half a feature on average.
    candidates = range(features, features + (count * kept) ** 2)
    positions = candidates[bisect.bisect_left(candidates, features - 0.5, key=left)]
    # The streams of bit generators never change, unlike those of `numpy.random.Generator`.
    bits = np.random.PCG64(seed)
    while True:
        picks = np.stack([_subset(bits, positions, kept) for _ in range(count)])
        used, columns = np.unique(picks, return_inverse=True)
        if used.size <= features:
            break
    masks = np.zeros((count, features), bool)
    masks[np.arange(count)[:, None], columns.reshape(picks.shape)] = True
    # A few features may be left over: each gets one pick of a feature that masks share.
    for empty in range(used.size, features):
        shared = np.argwhere(masks & (masks.sum(0) > 1))
        mask, column = shared[bits.random_raw() % len(shared)]
        masks[mask, [column, empty]] = [False, True]
    masks = masks[:, np.argsort(bits.random_raw(features))]
    masks.flags.writeable = False
    return masks


def _models(fraction: float, count: int) -> float:
    """Returns the features of all masks together over those of one, where each has a fraction of the positions."""
    return sum((1 - fraction) ** k for k in range(count))


# In quotes, since NumPy imports its generators when they are first named.
def _subset(bits: "np.random.PCG64", positions: int, size: int) -> np.ndarray:
    """Returns the first different ones of a stream of random positions, which are a random subset."""
    stream = bits.random_raw(2 * size)
    while True:
        values, first = np.unique(stream % np.uint64(positions), return_index=True)
        if values.size >= size:
            return values[np.argsort(first)[:size]]
        stream = np.concatenate([stream, bits.random_raw(stream.size)])
