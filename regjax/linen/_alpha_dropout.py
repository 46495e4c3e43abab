"""Alpha dropout as a layer of Linen."""

import dataclasses
import functools
from collections.abc import Sequence

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer


class AlphaDropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.alpha_dropout`.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.AlphaDropout(0.5)
      >>> y = layer.apply({}, jnp.ones(100), deterministic=False, rngs={"dropout": jax.random.key(0)})
      >>> len(set(y.tolist()))
      2
    """

    rate: Scalar
    _: dataclasses.KW_ONLY
    broadcast_dims: Sequence[int] = ()
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, inputs: Array, deterministic: Flag = None, rng: Key | None = None, *, rate: Scalar | None = None
    ) -> Array:
        return self._perturb(
            functools.partial(
                stochastic.alpha_dropout, broadcast_dims=self.broadcast_dims, axis_name=self._bound(self.axis_name)
            ),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
