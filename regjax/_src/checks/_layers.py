"""Keys, and what layers are told."""

import functools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._arrays import any_array
from regjax._src.checks._kinds import instance
from regjax._src.checks._lists import shown
from regjax._src.checks._numbers import rate, strength
from regjax._src.types import Array

# Old keys do not say of which implementation they are.
_IMPLEMENTATION = "jax_default_prng_impl"


def key(value: Any) -> None:
    """Checks one PRNG key, new-style or old-style."""
    if not isinstance(value, jax.Array | np.ndarray):
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got {shown(value)}")
    new_style = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not new_style and value.dtype != np.uint32:
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got an array of dtype {value.dtype}")
    if value.ndim != (0 if new_style else 1):
        raise ValueError(f"`key` must be a single PRNG key, got an array of keys of shape {value.shape}")
    implementation = getattr(jax.config, _IMPLEMENTATION)
    if not new_style and value.shape != _shape_of_old_keys(implementation):
        raise ValueError(
            "`key` must be a PRNG key such as `jax.random.key(0)`, or the data of one of the implementation"
            f" {implementation!r}, got an array of shape {value.shape}"
        )


@functools.cache
def _shape_of_old_keys(implementation: str) -> tuple[int, ...]:
    return jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=implementation))).shape


def place(name: str, axes: Any, *, otherwise: str = "one key gives one mask for the whole array") -> jax.Array:
    """Returns the index of this shard along the axes of a mesh, one name or a tuple of them, which must be bound."""
    instance(name, axes, str | tuple, "be the name of a mesh axis, or a tuple of names")
    try:
        return jax.lax.axis_index(axes)
    except NameError:
        raise ValueError(
            f"`{name}` must name axes that a `shard_map`, `pmap` or `vmap` around the call has, got {shown(axes)}"
            f" (under `jit` alone {otherwise}: leave it out there)"
        ) from None


def branch(value: Any) -> None:
    """Checks the module of a branch."""
    if isinstance(value, type):
        raise TypeError(f"`residual` must be a module, got the class {value.__name__}: give it its arguments")
    if not callable(value):
        raise TypeError(f"`residual` must be a module, got {shown(value)}")


def off_on_host(mode: str, off: Any) -> None:
    """Refuses to find out in the compiled program whether a branch is kept where shapes depend on it."""
    if mode == "subset" and isinstance(off, jax.Array):
        raise TypeError(
            "`deterministic` must be a Python bool in mode 'subset', where it sets the number of rows,"
            f" got {shown(off)} (the other modes take a traced one)"
        )


def rate_on_host(mode: str, value: Any) -> None:
    """Refuses a traced rate where shapes depend on the rate."""
    if isinstance(value, jax.Array):
        raise TypeError(
            f"`rate` must be a Python number in mode '{mode}', where it sets the number of rows, got {shown(value)}"
            " (the modes 'row', 'batch' and 'skip' take traced rates)"
        )


def nothing_shared(axes: frozenset[str]) -> None:
    """Refuses a gradient that is summed over shards where each decides by itself whether it takes part."""
    if axes:
        raise ValueError(
            "the branch in mode 'skip' must have parameters and an input of its own on every shard that skips by "
            f"itself, got some that are shared along {shown(tuple(sorted(axes)))}: their gradient is a sum, which "
            "waits for those that skipped; make them `jax.lax.pcast(params, axis_name, to='varying')` before the block"
        )


def deterministic(value: Any) -> None:
    """Checks the switch of a layer once the layer and the call have been asked."""
    if value is None:
        raise ValueError(
            "`deterministic` must be set where the rate is not 0: in the constructor, in the call or, in NNX, by"
            " `train()` or `eval()`, got None"
        )
    if isinstance(value, jax.Array) and (value.dtype != np.bool_ or value.ndim != 0):
        raise TypeError(f"`deterministic` must be a bool or a boolean scalar, got {value.dtype} of shape {value.shape}")
    instance("deterministic", value, bool | np.bool_ | jax.Array, "be a bool or a boolean scalar")


def rngs_given(value: Any) -> None:
    """Checks that a stochastic layer of NNX has somewhere to draw from."""
    if value is None:
        raise ValueError("`rngs` must be given to the constructor or to the call of a stochastic layer, got None")


def has_stream(name: str, found: bool, streams: Iterable[str]) -> None:
    """Checks that the stream a layer draws from exists."""
    if not found:
        raise ValueError(
            f"`rngs` must have a key for the stream '{name}', got {sorted(streams)}: pass `rngs={{'{name}': key}}`"
            f" (and where Linen's RNN, scan or vmap is around the layer, name '{name}' in its `split_rngs`)"
        )


def vocabulary(layer: Any) -> int:
    """Returns the number of words of an embedding."""
    words = getattr(layer, "num_embeddings", None)
    if not isinstance(words, int):
        raise TypeError(
            "`layer` must be an embedding with the attribute `num_embeddings`, such as Flax's `Embed`,"
            f" got {type(layer).__name__}"
        )
    return words


def draws_noise(name: str, drawn: bool) -> None:
    """Checks that a pass that is to be repeated can give another result."""
    if not drawn:
        raise ValueError(
            f"`{name}` must have a noise layer that acts, such as a Dropout with 0 < rate < 1,"
            " got a pass that drew no random numbers"
        )


def amount(name: str, value: Any) -> None:
    """Checks the rate or deviation that a layer is called with: a schedule has to be called first."""
    if callable(value):
        raise TypeError(
            f"`{name}` must be a number or a traced scalar, got the function {shown(value)}: call a schedule first"
        )
    (rate if name == "rate" else strength)(name, value)


def stream_name(value: Any) -> None:
    """Checks the name of a stream of keys."""
    instance("rng_collection", value, str, "be the name of a stream of keys")


def words(name: str, value: Any) -> Array:
    """Converts to the integers that an embedding looks up."""
    array = any_array(name, value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"`{name}` must be integers, got dtype {array.dtype}")
    return array
