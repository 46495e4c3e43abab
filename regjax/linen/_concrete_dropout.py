"""Concrete dropout as a layer of Linen."""

import dataclasses
import functools
from collections.abc import Sequence

import jax.numpy as jnp
from flax import linen as nn
from jax.scipy.special import logit

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer


class ConcreteDropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.concrete_dropout`, with a rate that is learned.

    The rate is kept by its logit, as the parameter `rate_logit`, and `jax.nn.sigmoid` makes a rate of it again. The
    gradient of the loss alone tends to make it small: add :func:`regjax.stochastic.concrete_dropout_penalty` for every
    such layer, as below. Leave `rate_logit` out of weight decay, which would pull the rate to 1/2.

    Attributes:
      init_rate: the rate before training, in (0, 1).
      temperature: how soft the masks are, > 0.
      broadcast_dims: axes along which one number serves all entries.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import flax.linen as nn
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> import regjax.linen
      >>> class Model(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         return nn.Dense(1)(regjax.linen.ConcreteDropout()(x, deterministic=not train))
      >>> def loss_fn(params, key, x, y, num_examples=1000):
      ...     out = Model().apply({"params": params}, x, train=True, rngs={"dropout": key})
      ...     return ((out - y) ** 2).mean() + regjax.stochastic.concrete_dropout_penalty(
      ...         params["Dense_0"]["kernel"],
      ...         params["ConcreteDropout_0"]["rate_logit"],
      ...         num_features=x.shape[-1],
      ...         weight_strength=1e-4 / num_examples,
      ...         entropy_strength=2 / num_examples,
      ...     )
      >>> x = jnp.ones((8, 3))
      >>> params = Model().init(jax.random.key(0), x, train=False)["params"]
      >>> jax.nn.sigmoid(params["ConcreteDropout_0"]["rate_logit"])
      Array(0.1, dtype=float32)
      >>> grads = jax.grad(loss_fn)(params, jax.random.key(1), x, x[:, :1])
      >>> bool(grads["ConcreteDropout_0"]["rate_logit"] != 0)
      True
    """

    init_rate: Scalar = 0.1
    _: dataclasses.KW_ONLY
    temperature: Scalar = 0.1
    broadcast_dims: Sequence[int] = ()
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate_inside("init_rate", self.init_rate)
        checks.above("temperature", self.temperature, 0)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Array, deterministic: Flag = None, rng: Key | None = None) -> Array:
        rate_logit = self.param("rate_logit", lambda _: logit(jnp.asarray(self.init_rate, jnp.float32)))
        return self._perturb(
            functools.partial(
                stochastic.concrete_dropout,
                temperature=self.temperature,
                broadcast_dims=self.broadcast_dims,
                axis_name=self._bound(self.axis_name),
            ),
            inputs,
            # As an array, also where it was read from a file: a number 0 says in other layers that nothing is dropped.
            amount=(None, jnp.asarray(rate_logit)),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
            drawless=(),
        )
