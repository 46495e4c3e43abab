"""DropBlock as a layer of NNX."""

import functools
from collections.abc import Sequence

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer
from regjax.stochastic._drop_block import NORMALIZATIONS


class DropBlock(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.drop_block`.

    Attributes:
      rate: probability that an entry is dropped, in [0, 1]; the call may override it.
      block_size: positions along each spatial axis, or one number for all of them.
      couple_channels: whether all channels of an example lose the same blocks.
      normalize: `"expected"` divides by 1 - rate, `"realized"` by the share that is kept.
      deterministic: if True, the inputs are returned as they are. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> layer = regjax.nnx.DropBlock(0.5, block_size=3, rngs=nnx.Rngs(0))
      >>> sorted(set(layer(jnp.ones((1, 8, 8, 3))).ravel().tolist()))
      [0.0, 2.0]
    """

    def __init__(
        self,
        rate: Scalar,
        *,
        block_size: int | Sequence[int],
        couple_channels: bool = True,
        normalize: str = "expected",
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.one_of("normalize", normalize, NORMALIZATIONS)
        super().__init__(deterministic, rng_collection, rngs)
        self.rate = rate
        self.block_size = checks.block_size(block_size)
        self.couple_channels = couple_channels
        self.normalize = normalize
        self.axis_name = axis_name

    def __call__(
        self,
        inputs: Array,
        *,
        deterministic: Flag = None,
        rngs: StreamsOrKey = None,
        rate: Scalar | None = None,
    ) -> Array:
        return self._perturb(
            functools.partial(
                stochastic.drop_block,
                block_size=self.block_size,
                couple_channels=self.couple_channels,
                normalize=self.normalize,
                axis_name=self.axis_name,
            ),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
        )
