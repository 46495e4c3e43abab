"""Additive Gaussian noise as a layer of NNX."""

import functools

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer


class GaussianNoise(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.gaussian_noise`.

    Attributes:
      stddev: standard deviation of the noise, >= 0; the call may override it.
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
      >>> y = regjax.nnx.GaussianNoise(0.5, rngs=nnx.Rngs(0))(jnp.ones((100, 1000)))
      >>> round(float(y.mean()), 2), round(float(y.std()), 2)
      (1.0, 0.5)
    """

    def __init__(
        self,
        stddev: Scalar,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.strength("stddev", stddev)
        super().__init__(deterministic, rng_collection, rngs)
        self.stddev = stddev
        self.axis_name = axis_name

    def __call__(
        self,
        inputs: Array,
        *,
        deterministic: Flag = None,
        rngs: StreamsOrKey = None,
        stddev: Scalar | None = None,
    ) -> Array:
        return self._perturb(
            functools.partial(stochastic.gaussian_noise, axis_name=self.axis_name),
            inputs,
            amount=(stddev, self.stddev),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
            drawless=(0.0,),
            name="stddev",
        )
