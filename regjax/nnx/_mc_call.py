"""NNX models as stochastic passes."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from regjax._src import checks
from regjax._src.types import Array, Key
from regjax.nnx._stochastic_layer import StochasticLayer

_NOISE_LAYERS = (nnx.Dropout, nnx.MultiHeadAttention, StochasticLayer)


def _switch_on(module: nnx.Module) -> None:
    """Sets evaluation mode, except for the noise layers, and gives a stream to those that were built without one."""
    module.eval()
    noise_layers: list[Any] = [node for _, node in nnx.iter_graph(module) if isinstance(node, _NOISE_LAYERS)]
    for layer in noise_layers:
        if hasattr(layer, "deterministic"):
            layer.deterministic = False
        if layer.rngs is None:
            layer.rngs = nnx.data(nnx.RngStream(jax.random.key(0), tag="dropout"))


def _reseed(module: nnx.Module, key: Key) -> list[tuple[nnx.RngStream, Array]]:
    """Gives every stream a key of its own, derived from `key`; returns the streams with their counters."""
    streams = [node for _, node in nnx.iter_graph(module) if isinstance(node, nnx.RngStream)]
    counters = []
    for index, stream in enumerate(streams):
        shape = stream.key.shape
        stream_key = jax.random.fold_in(key, index)
        # A stream of layers that are stacked for `nnx.vmap` or `nnx.scan` has a key for each of them.
        stream_keys = jax.random.split(stream_key, shape) if shape else stream_key
        counter = jnp.zeros(shape, jnp.uint32)
        # New variables rather than new values, so that nothing can be shared with the module of the caller.
        stream.key = nnx.RngKey(stream_keys, tag=stream.tag)
        stream.count = nnx.RngCount(counter, tag=stream.tag)
        counters.append((stream, counter))
    return counters


def mc_call(module: nnx.Module, key: Key, *args: Any, **kwargs: Any) -> Any:
    """Runs a trained model once in evaluation mode, but with its noise layers switched on.

    `functools.partial(mc_call, module)` is a stochastic pass for :func:`regjax.uncertainty.mc_classify` and the like.
    The pass runs on a copy: `module` keeps its mode, its batch statistics, its random streams and all else, bit for
    bit.

    All of the copy is set to evaluation mode by `eval()`; switched on again are Flax's `Dropout`, the dropout of its
    `MultiHeadAttention`, and the layers of :mod:`regjax.nnx`. Every random stream in the copy gets a key of its own,
    derived from `key`, and layers that were built without one get one. Not reached is a layer that the model calls with
    `deterministic=True`, as an argument of the call wins, and noise that a module of yours draws by a function, such as
    `flax.nnx.dot_product_attention(..., dropout_rate=0.1)`. A `ResidualBlock` in mode "subset" keeps a share of the
    rows and at least one, so a single input is never dropped: sample with "row".

    Args:
      module: the model, which need not be built in a special way.
      key: the PRNG key of this pass.
      *args: passed to the model.
      **kwargs: passed to the model.

    Returns:
      What the model returns.

    Raises:
      TypeError: if `module` is no module, or `key` no PRNG key.
      ValueError: if the pass draws no random numbers, so that all passes would be the same.

    Examples:
      >>> import functools
      >>> import jax
      >>> import regjax
      >>> from flax import nnx
      >>> from regjax.nnx import mc_call
      >>> model = nnx.Sequential(
      ...     nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.Dropout(0.5), nnx.Linear(8, 3, rngs=nnx.Rngs(1))
      ... )
      >>> @nnx.jit
      ... def predict(model, key, x):
      ...     fn = functools.partial(mc_call, model)
      ...     return regjax.uncertainty.mc_classify(fn, key, x, num_samples=20, batch_size=10)
      >>> predict(model, jax.random.key(1), jax.numpy.ones((2, 4))).probabilities.shape
      (2, 3)
    """
    checks.instance("module", module, nnx.Module, "be a module of NNX")
    checks.key(key)
    graph, state = nnx.split(module)
    # Mapping makes new variables; those of the state itself are shared with the caller's module in newer Flax.
    module = nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))
    _switch_on(module)
    counters = _reseed(module, key)
    result = module(*args, **kwargs)
    # Whether a counter moved is known by identity, as under `jit` its value is not.
    checks.draws_noise("module", any(jax.tree.leaves(stream.count)[0] is not counter for stream, counter in counters))
    return result
