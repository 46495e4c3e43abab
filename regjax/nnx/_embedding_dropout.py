"""Embedding dropout around an embedding of NNX."""

import functools
from typing import Any

from flax import nnx

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer
from regjax.stochastic._embedding_dropout import drop_words


class EmbeddingDropout(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.embedding_dropout`, around an embedding that loses words in every call.

    Only the rows that are looked up are touched, so a large table costs one random number for each of its words, and
    the table itself is never written. Other arguments of the call are passed on to the embedding, and so is its
    `deterministic` if the embedding has an argument of that name. Where the table serves for the output too, call
    `attend` of the embedding itself, which loses nothing.

    Attributes:
      layer: the embedding inside: an `nnx.Embed`, or a module that has `num_embeddings` and maps integers ``[...]`` to
        ``[..., features]`` likewise.
      rate: probability of dropping a word, in [0, 1]; the call may override it.
      deterministic: if True, all words are kept. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> rngs = nnx.Rngs(0)
      >>> layer = regjax.nnx.EmbeddingDropout(nnx.Embed(5, 3, rngs=rngs), 0.4, rngs=rngs)
      >>> y = layer(jnp.array([[0, 1, 0], [4, 0, 2]]))
      >>> bool((y[0, 0] == y[0, 2]).all() and (y[0, 0] == y[1, 1]).all())
      True
    """

    def __init__(
        self,
        layer: nnx.Module,
        rate: Scalar,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.vocabulary(layer)
        super().__init__(deterministic, rng_collection, rngs)
        self.layer = layer
        self.rate = rate
        self.axis_name = axis_name

    def __call__(
        self,
        inputs: Array,
        *args: Any,
        deterministic: Flag = None,
        rngs: StreamsOrKey = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Array:
        layer: Any = self.layer
        inputs = checks.words("inputs", inputs)
        kwargs = layers.passed_on(layer, deterministic) | kwargs
        return self._perturb(
            functools.partial(drop_words, words=inputs, vocabulary=checks.vocabulary(layer), axis_name=self.axis_name),
            layer(inputs, *args, **kwargs),
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rngs=rngs,
        )
