"""Dropout that stays on, as a layer of NNX."""

import functools
from collections.abc import Sequence

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import StochasticLayer, Streams, StreamsOrKey
from regjax.stochastic._dropout import BITS


class MCDropout(StochasticLayer):
    """NNX form of :func:`regjax.stochastic.dropout` that is random in evaluation too.

    It has no `deterministic` attribute, so `eval()` leaves it on: only a call that says `deterministic=True` turns it
    off. So a model is evaluated with its batch statistics fixed and its dropout on, as Monte Carlo prediction needs it.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries; `(0,)` uses one mask for the whole batch.
      rng_collection: name of the stream of keys in `rngs`.
      bits: how many random bits decide on an entry, 32, 16 or 8; fewer cost less time, but draw other masks than Flax
        and round the rate.
      recompute: whether the backward pass keeps nothing but the key and draws the same mask again.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> layer = regjax.nnx.MCDropout(0.5, rngs=nnx.Rngs(0))
      >>> layer.eval()
      >>> sorted(set(layer(jnp.ones(100)).tolist()))
      [0.0, 2.0]

    References:
      Gal and Ghahramani, `Dropout as a Bayesian Approximation <https://arxiv.org/abs/1506.02142>`_, 2016
    """

    def __init__(
        self,
        rate: Scalar,
        *,
        broadcast_dims: Sequence[int] = (),
        rng_collection: str = "dropout",
        bits: int = 32,
        recompute: bool = False,
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.bits(bits, BITS)
        checks.flag("recompute", recompute)
        super().__init__(rng_collection, rngs)
        self.rate = rate
        self.broadcast_dims = checks.shared_axes("broadcast_dims", broadcast_dims)
        self.bits = bits
        self.recompute = recompute
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
            functools.partial(
                stochastic.dropout,
                broadcast_dims=self.broadcast_dims,
                bits=self.bits,
                recompute=self.recompute,
                axis_name=self.axis_name,
            ),
            inputs,
            amount=(rate, self.rate),
            deterministic=(deterministic, False),
            rngs=rngs,
        )

    def set_view(self, deterministic: bool | None = None) -> None:
        """Leaves the layer on in a :func:`flax.nnx.view`.

        Args:
          deterministic: ignored.
        """
