"""Dropout that stays on, as a layer of Linen."""

import dataclasses
import functools
from collections.abc import Sequence

from flax import linen as nn

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer
from regjax.stochastic._dropout import BITS


class MCDropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.dropout` that is random in evaluation too.

    It has no `deterministic` field: only a call that says `deterministic=True` turns it off. So a model is evaluated
    with its batch statistics fixed and its dropout on, as Monte Carlo prediction needs it.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries; `(0,)` uses one mask for the whole batch.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      bits: how many random bits decide on an entry, 32, 16 or 8; fewer cost less time, but draw other masks than Flax
        and round the rate.
      recompute: whether the backward pass keeps nothing but the key and draws the same mask again.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.MCDropout(0.5)
      >>> y = layer.apply({}, jnp.ones(100), rngs={"dropout": jax.random.key(0)})
      >>> sorted(set(y.tolist()))
      [0.0, 2.0]

    References:
      Gal and Ghahramani, `Dropout as a Bayesian Approximation <https://arxiv.org/abs/1506.02142>`_, 2016
    """

    rate: Scalar
    _: dataclasses.KW_ONLY
    broadcast_dims: Sequence[int] = ()
    rng_collection: str = "dropout"
    bits: int = 32
    recompute: bool = False
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.bits(self.bits, BITS)
        checks.flag("recompute", self.recompute)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, inputs: Array, deterministic: Flag = None, rng: Key | None = None, *, rate: Scalar | None = None
    ) -> Array:
        return self._perturb(
            functools.partial(
                stochastic.dropout,
                broadcast_dims=self.broadcast_dims,
                bits=self.bits,
                recompute=self.recompute,
                axis_name=self._bound(self.axis_name),
            ),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, False),
            rng=(rng, self.rng_collection),
        )
