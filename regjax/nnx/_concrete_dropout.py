"""Concrete dropout as a layer of NNX."""

import functools
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logit

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer


class ConcreteDropout(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.concrete_dropout`, with a rate that is learned.

    The rate is kept by its logit, as the parameter `rate_logit`, and `jax.nn.sigmoid` makes a rate of it again. The
    gradient of the loss alone tends to make it small: add :func:`regjax.stochastic.concrete_dropout_penalty` for every
    such layer, as below. Leave `rate_logit` out of weight decay, which would pull the rate to 1/2.

    Attributes:
      init_rate: the rate before training, in (0, 1).
      temperature: how soft the masks are, > 0.
      broadcast_dims: axes along which one number serves all entries.
      deterministic: if True, the inputs are returned as they are. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> class Model(nnx.Module):
      ...     def __init__(self, rngs):
      ...         self.dropout = regjax.nnx.ConcreteDropout(rngs=rngs)
      ...         self.dense = nnx.Linear(3, 1, rngs=rngs)
      ...
      ...     def __call__(self, x):
      ...         return self.dense(self.dropout(x))
      >>> def loss_fn(model, x, y, num_examples=1000):
      ...     return ((model(x) - y) ** 2).mean() + regjax.stochastic.concrete_dropout_penalty(
      ...         model.dense.kernel[...],
      ...         model.dropout.rate_logit[...],
      ...         num_features=x.shape[-1],
      ...         weight_strength=1e-4 / num_examples,
      ...         entropy_strength=2 / num_examples,
      ...     )
      >>> model, x = Model(nnx.Rngs(0)), jnp.ones((8, 3))
      >>> jax.nn.sigmoid(model.dropout.rate_logit[...])
      Array(0.1, dtype=float32)
      >>> grads = nnx.grad(loss_fn)(model, x, x[:, :1])
      >>> bool(grads["dropout"]["rate_logit"][...] != 0)
      True
    """

    def __init__(
        self,
        init_rate: Scalar = 0.1,
        *,
        temperature: Scalar = 0.1,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate_inside("init_rate", init_rate)
        checks.above("temperature", temperature, 0)
        super().__init__(deterministic, rng_collection, rngs)
        self.rate_logit = nnx.Param(logit(jnp.asarray(init_rate, jnp.float32)))
        self.temperature = temperature
        self.broadcast_dims = checks.shared_axes("broadcast_dims", broadcast_dims)
        self.axis_name = axis_name

    def __call__(self, inputs: Array, *, deterministic: Flag = None, rngs: StreamsOrKey = None) -> Array:
        return self._perturb(
            functools.partial(
                stochastic.concrete_dropout,
                temperature=self.temperature,
                broadcast_dims=self.broadcast_dims,
                axis_name=self.axis_name,
            ),
            inputs,
            # As an array, also where it was read from a file: a number 0 says in other layers that nothing is dropped.
            amount=(None, jnp.asarray(self.rate_logit[...])),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
            drawless=(),
        )
