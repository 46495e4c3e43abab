"""Masksembles as a layer of Linen."""

import dataclasses

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.types import Array


class Masksembles(nn.Module):
    """Linen form of :func:`regjax.stochastic.masksembles`, with the masks that its fields say.

    It has neither parameters nor state, is not random, and does the same in training and in evaluation. See the
    function for how a batch is cut into groups, and how all members of the ensemble are asked.

    Attributes:
      num_masks: the number of masks, which is that of the members.
      scale: how little the masks share, >= 1, see :func:`regjax.stochastic.masksembles_masks`.
      seed: which masks; layers of one model may share it.

    Examples:
      >>> import flax.linen as nn
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> import regjax.linen
      >>> model = nn.Sequential([nn.Dense(16), nn.relu, regjax.linen.Masksembles(4, 2.0), nn.Dense(3)])
      >>> x = jnp.ones((5, 2))
      >>> variables = model.init(jax.random.key(0), x)
      >>> samples = model.apply(variables, jnp.concatenate([x] * 4)).reshape(4, 5, 3)
      >>> regjax.uncertainty.mutual_information(jax.nn.softmax(samples)).shape
      (5,)
    """

    num_masks: int
    scale: float
    _: dataclasses.KW_ONLY
    seed: int = 0

    def __post_init__(self) -> None:
        checks.at_least("num_masks", self.num_masks, 1)
        checks.mask_scale(self.scale)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        """Drops the features of every example by the mask of its group.

        Args:
          inputs: floating array ``[batch, ..., features]``.

        Returns:
          An array with the shape and dtype of `inputs`.
        """
        inputs = checks.floating("inputs", inputs)
        checks.features_last("inputs", inputs.shape)
        masks = stochastic.masksembles_masks(inputs.shape[-1], self.num_masks, self.scale, seed=self.seed)
        return stochastic.masksembles(inputs, masks)
