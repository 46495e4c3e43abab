"""Dropout as a layer of NNX."""

import functools
from collections.abc import Sequence

from regjax import stochastic
from regjax._src import checks
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer
from regjax.stochastic._dropout import BITS


class Dropout(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.dropout`.

    It takes the fields and call arguments of Flax's own layer and gives the same numbers for the same streams, bit for
    bit, so that changing the import is enough. What it takes besides: a `rate` in the call, which may be traced, so
    that a schedule compiles once; a traced `deterministic`; and no `deterministic` at all where the rate is 0.

    Inside of the cell of a recurrent network it uses one mask for all times, and another one in the next call, where
    the streams are the same at all of them: ``nnx.RNN(cell, broadcast_rngs=nnx.RngState)``. Where it acts on a whole
    sequence, `broadcast_dims` names the axis of time.

    Attributes:
      rate: probability of dropping, in [0, 1]; the call may override it.
      broadcast_dims: axes along which one bit serves all entries.
      deterministic: if True, the inputs are returned as they are. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      bits: how many random bits decide on an entry, 32, 16 or 8; fewer cost less time, but draw other masks than Flax
        and round the rate.
      recompute: whether the backward pass keeps nothing but the key and draws the same mask again.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> layer = regjax.nnx.Dropout(0.5, rngs=nnx.Rngs(0))
      >>> sorted(set(layer(jnp.ones(100)).tolist()))
      [0.0, 2.0]
      >>> layer.eval()
      >>> layer(jnp.ones(2))
      Array([1., 1.], dtype=float32)
      >>> layer(jnp.ones(2), deterministic=False, rngs=jax.random.key(0), rate=1.0)
      Array([0., 0.], dtype=float32)

      Recurrent dropout: with `broadcast_rngs=nnx.RngState` all times have one mask, without it each has its own.

      >>> class Cell(nnx.LSTMCell):
      ...     def __init__(self, *args, rngs):
      ...         super().__init__(*args, rngs=rngs)
      ...         self.dropout = regjax.nnx.Dropout(0.5, rngs=rngs)
      ...
      ...     def __call__(self, carry, x):
      ...         memory, hidden = carry
      ...         return super().__call__((memory, self.dropout(hidden)), x)
      >>> network = nnx.RNN(Cell(3, 8, rngs=nnx.Rngs(0)), broadcast_rngs=nnx.RngState)
      >>> network(jnp.ones((2, 5, 3))).shape
      (2, 5, 8)
    """

    def __init__(
        self,
        rate: Scalar,
        *,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        bits: int = 32,
        recompute: bool = False,
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.bits(bits, BITS)
        checks.flag("recompute", recompute)
        super().__init__(deterministic, rng_collection, rngs)
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
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
        )
