"""DropConnect around a layer of Linen."""

import dataclasses
import functools
import itertools
from typing import Any

import jax
from flax import linen as nn

from regjax import masks, stochastic
from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.tree import merge
from regjax._src.types import AxisName, Key, PyTree, Scalar
from regjax.linen._stochastic_layer import StochasticLayer


class DropConnect(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.drop_connect`, around a layer whose weights lose entries in every call.

    The parameters themselves are never written; all else that the layer keeps, such as batch statistics, is updated as
    usual. Other arguments of the call are passed on to the layer, and so is `deterministic` if the layer has an
    argument of that name. Where the layer holds modules that were made outside of it, the mask has to match something
    in each of them.

    Attributes:
      layer: the module inside.
      rate: probability of dropping, in [0, 1]; the call may override it.
      mask: which parameters of the layer lose entries, see :mod:`regjax.masks`; paths start at the layer.
      deterministic: if True, the weights are used as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import flax.linen as nn
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.DropConnect(nn.Dense(2, bias_init=nn.initializers.ones), 1.0)
      >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> layer.apply(variables, jnp.ones((1, 3)), deterministic=False)
      Array([[1., 1.]], dtype=float32)
    """

    layer: nn.Module
    rate: Scalar
    _: dataclasses.KW_ONLY
    mask: Any = "**/kernel"
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.instance("layer", self.layer, nn.Module, "be a module of Linen such as `nn.Dense(3)`")
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        *args: Any,
        deterministic: Flag = None,
        rng: Key | None = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Any:
        kwargs = layers.passed_on(self.layer, layers.first(deterministic, self.deterministic)) | kwargs
        amount = layers.first(rate, self.rate)
        if self.is_initializing() or self._is_off(amount, deterministic, self.deterministic) is True:
            return self.layer(*args, **kwargs)
        key = layers.key_for(amount, lambda: self._draw(rng, self.rng_collection))

        scopes = itertools.count()

        def drop(variables: PyTree) -> PyTree:
            # A layer that holds modules made elsewhere has their parameters in other scopes.
            if "params" not in variables:
                return variables
            scope = next(scopes)
            chosen = masks.select(self.mask, variables["params"])
            dropped = self._perturb(
                functools.partial(stochastic.drop_connect, axis_name=self.axis_name),
                chosen,
                amount=(rate, self.rate),
                deterministic=(deterministic, self.deterministic),
                rng=(jax.random.fold_in(key, scope) if scope else key, self.rng_collection),
            )
            return {"params": merge(dropped, variables["params"])}

        return nn.map_variables(lambda layer: layer(*args, **kwargs), "params", drop)(self.layer)
