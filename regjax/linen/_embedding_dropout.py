"""Embedding dropout around an embedding of Linen."""

import dataclasses
import functools
from typing import Any

from flax import linen as nn

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._stochastic_layer import StochasticLayer
from regjax.stochastic._embedding_dropout import drop_words


class EmbeddingDropout(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.embedding_dropout`, around an embedding that loses words in every call.

    Only the rows that are looked up are touched, so a large table costs one random number for each of its words, and
    the table itself is never written. Other arguments of the call are passed on to the embedding, and so is
    `deterministic` if it has an argument of that name. Where the table serves for the output too, call `attend` of the
    embedding itself, which loses nothing.

    Attributes:
      layer: the embedding inside: a `flax.linen.Embed`, or a module that has `num_embeddings` and maps integers
        ``[...]`` to ``[..., features]`` likewise.
      rate: probability of dropping a word, in [0, 1]; the call may override it.
      deterministic: if True, all words are kept; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import flax.linen as nn
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.EmbeddingDropout(nn.Embed(5, 3), 0.4)
      >>> words = jnp.array([[0, 1, 0], [4, 0, 2]])
      >>> variables = layer.init(jax.random.key(0), words)
      >>> y = layer.apply(variables, words, deterministic=False, rngs={"dropout": jax.random.key(1)})
      >>> bool((y[0, 0] == y[0, 2]).all() and (y[0, 0] == y[1, 1]).all())
      True
    """

    layer: nn.Module
    rate: Scalar
    _: dataclasses.KW_ONLY
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.vocabulary(self.layer)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        inputs: Array,
        *args: Any,
        deterministic: Flag = None,
        rng: Key | None = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Array:
        inputs = checks.words("inputs", inputs)
        kwargs = layers.passed_on(self.layer, layers.first(deterministic, self.deterministic)) | kwargs
        return self._perturb(
            functools.partial(
                drop_words,
                words=inputs,
                vocabulary=checks.vocabulary(self.layer),
                axis_name=self._bound(self.axis_name),
            ),
            self.layer(inputs, *args, **kwargs),
            amount=(rate, self.rate),
            deterministic=(deterministic, self.deterministic),
            rng=(rng, self.rng_collection),
        )
