"""Stochastic depth as a layer of Linen."""

import dataclasses
import functools

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer
from regjax.stochastic._stochastic_depth import MODES


class StochasticDepth(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.stochastic_depth`, to be used as ``x + StochasticDepth(0.1)(branch(x))``.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      mode: `"row"` draws for every entry of the leading axis, `"batch"` draws once.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.StochasticDepth(0.5)
      >>> y = layer.apply({}, jnp.ones((4, 3)), deterministic=False, rngs={"dropout": jax.random.key(0)})
      >>> bool(((y == 0).all(axis=1) | (y == 2).all(axis=1)).all())
      True
    """

    rate: Scalar
    _: dataclasses.KW_ONLY
    mode: str = "row"
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.one_of("mode", self.mode, MODES)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, inputs: Array, deterministic: Flag = None, rng: Key | None = None, *, rate: Scalar | None = None
    ) -> Array:
        return self._perturb(
            functools.partial(stochastic.stochastic_depth, mode=self.mode, axis_name=self._bound(self.axis_name)),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
