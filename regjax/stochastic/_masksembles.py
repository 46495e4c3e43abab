"""Masksembles: an ensemble of models that are fixed masks of one."""

import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.types import Array, ArrayLike


def masksembles(x: ArrayLike, masks: ArrayLike) -> Array:
    r"""Drops the features of every example by one of a few fixed masks.

    The batch is cut into as many groups of consecutive examples as there are masks, as equal as possible, and in group
    :math:`k` the features that mask :math:`k` does not have are zero; example :math:`i` of :math:`B` is in group
    :math:`\lfloor i n / B \rfloor`. What is kept is not scaled, as the same masks are used in training and in
    evaluation.

    Nothing is random: a model that uses masks :math:`k` in all its layers is member :math:`k` of an ensemble. To ask
    every member about every example, repeat the batch: `jnp.concatenate([x] * n)`, and give the predictions the shape
    ``[n, batch, ...]``, of which :func:`regjax.uncertainty.mutual_information` and the like then tell how much the
    members differ.

    In training, a batch smaller than the number of masks leaves some of them without examples.

    Args:
      x: floating array ``[batch, ..., features]``.
      masks: boolean array ``[num_masks, features]``, such as :func:`masksembles_masks` makes; True is kept.

    Returns:
      An array with the shape and dtype of `x`.

    Raises:
      TypeError: if `x` is not floating, or `masks` not boolean.
      ValueError: if `x` has fewer than two axes, or `masks` does not have as many features.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> masks = jnp.array([[True, True, False], [False, True, True]])
      >>> regjax.stochastic.masksembles(jnp.ones((4, 3)), masks)
      Array([[1., 1., 0.],
             [1., 1., 0.],
             [0., 1., 1.],
             [0., 1., 1.]], dtype=float32)

    References:
      Durasov et al, `Masksembles for Uncertainty Estimation <https://arxiv.org/abs/2012.08334>`_, 2021
    """
    x, masks = checks.floating("x", x), checks.any_array("masks", masks)
    checks.feature_masks(masks, x.shape)
    batch, *inner, features = x.shape
    groups = np.arange(batch) * len(masks) // max(batch, 1)
    kept = masks[groups].reshape(batch, *(1 for _ in inner), features)
    return jnp.where(kept, x, 0)
