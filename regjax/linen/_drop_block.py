"""DropBlock as a layer of Linen."""

import dataclasses
import functools
from collections.abc import Sequence

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer
from regjax.stochastic._drop_block import NORMALIZATIONS


class DropBlock(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.drop_block`.

    Attributes:
      rate: probability that an entry is dropped, in [0, 1]; the call may override it.
      block_size: positions along each spatial axis, or one number for all of them.
      couple_channels: whether all channels of an example lose the same blocks.
      normalize: `"expected"` divides by 1 - rate, `"realized"` by the share that is kept.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.DropBlock(0.5, block_size=3)
      >>> x, rngs = jnp.ones((1, 8, 8, 3)), {"dropout": jax.random.key(0)}
      >>> y = layer.apply({}, x, deterministic=False, rngs=rngs)
      >>> sorted(set(y.ravel().tolist()))
      [0.0, 2.0]
    """

    rate: Scalar
    _: dataclasses.KW_ONLY
    block_size: int | Sequence[int]
    couple_channels: bool = True
    normalize: str = "expected"
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.block_size(self.block_size)
        checks.one_of("normalize", self.normalize, NORMALIZATIONS)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, inputs: Array, deterministic: Flag = None, rng: Key | None = None, *, rate: Scalar | None = None
    ) -> Array:
        return self._perturb(
            functools.partial(
                stochastic.drop_block,
                block_size=self.block_size,
                couple_channels=self.couple_channels,
                normalize=self.normalize,
                axis_name=self._bound(self.axis_name),
            ),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
