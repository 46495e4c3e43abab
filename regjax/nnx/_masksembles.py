"""Masksembles as a layer of NNX."""

import math

from flax import nnx

from regjax import stochastic
from regjax._src import checks
from regjax._src.types import Array


class Masksembles(nnx.Module):
    """NNX form of :func:`regjax.stochastic.masksembles`, with the masks that its attributes say.

    It has neither parameters nor state, is not random, and does the same in training and in evaluation. See the
    function for how a batch is cut into groups, and how all members of the ensemble are asked.

    Attributes:
      num_masks: the number of masks, which is that of the members.
      scale: how little the masks share, >= 1, see :func:`regjax.stochastic.masksembles_masks`.
      seed: which masks; layers of one model may share it.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> rngs = nnx.Rngs(0)
      >>> model = nnx.Sequential(
      ...     nnx.Linear(2, 16, rngs=rngs), regjax.nnx.Masksembles(4, 2.0), nnx.Linear(16, 3, rngs=rngs)
      ... )
      >>> x = jnp.ones((5, 2))
      >>> samples = model(jnp.concatenate([x] * 4)).reshape(4, 5, 3)
      >>> regjax.uncertainty.mutual_information(jax.nn.softmax(samples)).shape
      (5,)
    """

    def __init__(self, num_masks: int, scale: float, *, seed: int = 0) -> None:
        self.num_masks = checks.at_least("num_masks", num_masks, 1)
        self.scale = checks.mask_scale(scale)
        self.seed = checks.at_least("seed", seed, 0, maximum=math.inf)

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
