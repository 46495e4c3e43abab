"""Dropout as a layer of Linen."""

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


class Dropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.dropout`.

    It takes the fields and call arguments of Flax's own layer and gives the same numbers for the same keys, bit for
    bit, so that changing the import is enough. What it takes besides: a `rate` in the call, which may be traced, so
    that a schedule compiles once; a traced `deterministic`; and no `deterministic` at all where the rate is 0.

    Inside of the cell of a recurrent network it uses one mask for all times where the stream is not split over them::

      class Cell(nn.LSTMCell):
          @nn.compact
          def __call__(self, carry, x):
              memory, hidden = carry
              hidden = regjax.linen.Dropout(0.5)(hidden, deterministic=False)
              return super().__call__((memory, hidden), x)


      network = nn.RNN(Cell(128), split_rngs={"params": False, "dropout": False})

    Where it acts on a whole sequence, `broadcast_dims` names the axis of time.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries.
      deterministic: if True, the inputs are returned as they are; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      bits: how many random bits decide on an entry, 32, 16 or 8; fewer cost less time, but draw other masks than Flax
        and round the rate.
      recompute: whether the backward pass keeps nothing but the key and draws the same mask again.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.Dropout(0.5)
      >>> x, rngs = jnp.ones(4), {"dropout": jax.random.key(0)}
      >>> layer.apply({}, x, deterministic=True)
      Array([1., 1., 1., 1.], dtype=float32)
      >>> layer.apply({}, x, deterministic=False, rngs=rngs, rate=1.0)
      Array([0., 0., 0., 0.], dtype=float32)
    """

    rate: Scalar
    broadcast_dims: Sequence[int] = ()
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    _: dataclasses.KW_ONLY
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
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
