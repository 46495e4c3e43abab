"""Feature-alpha dropout as a layer of Linen."""

import dataclasses
import functools

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer


class FeatureAlphaDropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.feature_alpha_dropout`.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.FeatureAlphaDropout(0.5)
      >>> x, rngs = jnp.ones((2, 8, 8, 3)), {"dropout": jax.random.key(0)}
      >>> y = layer.apply({}, x, deterministic=False, rngs=rngs)
      >>> bool((y == y[:, :1, :1]).all())
      True
    """

    rate: Scalar
    _: dataclasses.KW_ONLY
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
            functools.partial(stochastic.feature_alpha_dropout, axis_name=self._bound(self.axis_name)),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
