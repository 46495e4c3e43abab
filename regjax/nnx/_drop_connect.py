"""DropConnect around a layer of NNX."""

import functools
from typing import Any

from flax import nnx

from regjax import masks, stochastic
from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.tree import merge
from regjax._src.types import AxisName, Scalar
from regjax.nnx._replaced_params import replaced_params
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer


class DropConnect(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.drop_connect`, around a layer whose weights lose entries in every call.

    The parameters themselves are never written; all other variables of the layer, such as batch statistics and streams,
    are updated as usual. Other arguments of the call are passed on to the layer, and so is its `deterministic` if the
    layer has an argument of that name.

    Attributes:
      layer: the module inside.
      rate: probability of dropping, in [0, 1]; the call may override it.
      mask: which parameters of the layer lose entries, see :mod:`regjax.masks`; paths start at the layer.
      deterministic: if True, the weights are used as they are. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> dense = nnx.Linear(3, 2, bias_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
      >>> layer = regjax.nnx.DropConnect(dense, 1.0)
      >>> layer(jnp.ones((1, 3)))
      Array([[1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        layer: nnx.Module,
        rate: Scalar,
        *,
        mask: Any = "**/kernel",
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.instance("layer", layer, nnx.Module, "be a module of NNX such as an `nnx.Linear`")
        super().__init__(deterministic, rng_collection, rngs)
        self.layer = layer
        self.rate = rate
        # A `Mask` can be hashed, where a tree of bools cannot.
        self.mask = masks.as_mask(mask)
        self.axis_name = axis_name

    def __call__(
        self,
        *args: Any,
        deterministic: Flag = None,
        rngs: StreamsOrKey = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Any:
        kwargs = layers.passed_on(self.layer, deterministic) | kwargs
        if layers.is_off(layers.first(rate, self.rate), deterministic, self.deterministic) is True:
            return self.layer(*args, **kwargs)
        params = nnx.to_pure_dict(nnx.state(self.layer, nnx.Param))
        dropped = self._perturb(
            functools.partial(stochastic.drop_connect, axis_name=self.axis_name),
            masks.select(self.mask, params),
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
        )
        with replaced_params(self.layer, merge(dropped, params)) as layer:
            return layer(*args, **kwargs)
