"""What a layer with `axis_name` owes, in Linen and NNX alike."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import stochastic

KEY = jax.random.key(7)
# The layers that draw nothing in a call.
DRAWLESS = {"GhostBatchNorm", "Masksembles"}

Make = Callable[..., Any]
Run = Callable[[Any, jax.Array], jax.Array]


def the_name_arrives(name: str, make: Make, run: Run) -> None:
    """A name that is not bound is an error, and one that is serves."""
    x = jnp.ones((2, 6), int) if name == "EmbeddingDropout" else jnp.ones((2, 6, 4))

    def on_shard(x: jax.Array) -> jax.Array:
        return run(make(axis_name="shards"), x)

    with pytest.raises(ValueError, match="`axis_name` must name axes .*got 'shards'"):
        jax.eval_shape(on_shard, x)
    named = jax.vmap(on_shard, axis_name="shards")
    assert jax.eval_shape(named, jnp.stack([x] * 3)).shape[0] == 3


def shards_draw_for_themselves(make: Make, run: Run) -> None:
    """Shards of a dropout layer draw with the key of their place."""
    x = jnp.ones((3, 50))
    got = jax.vmap(lambda x: run(make(axis_name="shards"), x), axis_name="shards")(x)
    for place in range(3):
        wanted = stochastic.dropout(jax.random.fold_in(KEY, place), x[place], 0.5)
        np.testing.assert_array_equal(got[place], wanted)


def every_layer_is_tried(room: Any, layers: dict[str, Make]) -> None:
    """No layer of a room is left out."""
    modules = {name for name in room.__all__ if isinstance(getattr(room, name), type)}
    assert modules - DRAWLESS == set(layers)
