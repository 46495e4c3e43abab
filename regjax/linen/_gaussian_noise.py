"""Additive Gaussian noise as a layer of Linen."""

import dataclasses
import functools

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer


class GaussianNoise(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.gaussian_noise`.

    Attributes:
      stddev: standard deviation of the noise, >= 0; the call may override it.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.GaussianNoise(0.5)
      >>> y = layer.apply({}, jnp.ones((100, 1000)), deterministic=False, rngs={"dropout": jax.random.key(0)})
      >>> round(float(y.mean()), 2), round(float(y.std()), 2)
      (1.0, 0.5)
    """

    stddev: Scalar
    _: dataclasses.KW_ONLY
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.strength("stddev", self.stddev)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, inputs: Array, deterministic: Flag = None, rng: Key | None = None, *, stddev: Scalar | None = None
    ) -> Array:
        return self._perturb(
            functools.partial(stochastic.gaussian_noise, axis_name=self._bound(self.axis_name)),
            inputs,
            amount=(stddev, self.stddev),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
            drawless=(0.0,),
            name="stddev",
        )
