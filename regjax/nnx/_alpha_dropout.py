"""Alpha dropout as a layer of NNX."""

import functools
from collections.abc import Sequence

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer


class AlphaDropout(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.alpha_dropout`.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries.
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
      >>> layer = regjax.nnx.AlphaDropout(0.5, rngs=nnx.Rngs(0))
      >>> len(set(layer(jnp.ones(100)).tolist()))
      2
    """

    def __init__(
        self,
        rate: Scalar,
        *,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        super().__init__(deterministic, rng_collection, rngs)
        self.rate = rate
        self.broadcast_dims = checks.shared_axes("broadcast_dims", broadcast_dims)
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
            functools.partial(stochastic.alpha_dropout, broadcast_dims=self.broadcast_dims, axis_name=self.axis_name),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
        )
