"""Linen models as stochastic passes."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax

from regjax._src import checks, layers
from regjax._src.types import Key, PyTree

_FLAX_LAYERS = (nn.Dropout, nn.MultiHeadDotProductAttention)
_FLAG = "regjax_mc_apply"


@contextlib.contextmanager
def _stochastic(module: Any) -> Iterator[None]:
    """Sets the field `deterministic`, which Flax freezes, and refuses to have next to an argument of that name."""
    before = module.deterministic
    object.__setattr__(module, "deterministic", False)
    try:
        yield
    finally:
        object.__setattr__(module, "deterministic", before)


def _any_drawn(counters: Mapping[Any, Any]) -> bool:
    """Tells whether one of the counters of random numbers, of a scope and of the scopes in it, was advanced."""
    return any(_any_drawn(count) if isinstance(count, Mapping) else count > 0 for count in counters.values())


def _unbound(method: Any) -> Callable[..., Any]:
    """Returns the function of a module that `flax.linen.Module.apply` would call, given its argument `method`."""
    if method is None:
        return lambda bound, *args, **kwargs: bound(*args, **kwargs)
    if isinstance(method, str):
        return lambda bound, *args, **kwargs: getattr(bound, method)(*args, **kwargs)
    return method.__func__ if isinstance(getattr(method, "__self__", None), nn.Module) else method


def mc_apply(
    module: nn.Module,
    variables: PyTree,
    key: Key,
    *args: Any,
    rng_collection: str = "dropout",
    **kwargs: Any,
) -> Any:
    """Runs a trained model once in evaluation mode, but with its noise layers switched on.

    `functools.partial(mc_apply, module, variables)` is a stochastic pass for :func:`regjax.uncertainty.mc_classify` and
    the like. Everything else, batch normalization above all, stays as the arguments say: pass those that you evaluate
    with, such as `train=False`. No collection is mutable, so no statistic moves.

    Switched on, whatever `deterministic` they were given, are Flax's `Dropout`, the dropout of Flax's attention layers,
    and the layers of :mod:`regjax.linen`. Not reached is noise that a module of yours draws by a function, such as
    `flax.linen.dot_product_attention(..., dropout_rate=0.1)`; that is steered by its own arguments. A `ResidualBlock`
    in mode "subset" keeps a share of the rows and at least one, so a single input is never dropped: sample with "row".

    Args:
      module: the model, which need not be built in a special way.
      variables: its variables, as for `module.apply`.
      key: the PRNG key of this pass.
      *args: passed to the model.
      rng_collection: the name of the stream from which the layers draw; layers that name another one get keys derived
        from `key` too.
      **kwargs: passed to `module.apply`, which hands on to the model what it does not take itself.

    Returns:
      What the model returns.

    Raises:
      TypeError: if `module` is no module, or `key` no PRNG key.
      ValueError: if the pass draws no random numbers, so that all passes would be the same. Of what is inside
        `flax.linen.jit` this cannot be told; it counts as drawing.

    Examples:
      >>> import functools
      >>> import flax.linen as nn
      >>> import jax
      >>> import regjax
      >>> from regjax.linen import mc_apply
      >>> class Classifier(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, train):
      ...         x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
      ...         return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(x))
      >>> model, x = Classifier(), jax.numpy.ones((2, 4))
      >>> variables = model.init(jax.random.key(0), x, train=False)
      >>> fn = functools.partial(mc_apply, model, variables, train=False)
      >>> regjax.uncertainty.mc_classify(fn, jax.random.key(1), x, num_samples=20, batch_size=10).probabilities.shape
      (2, 3)
    """
    checks.instance("module", module, nn.Module, "be a module of Linen")
    checks.key(key)
    checks.stream_name(rng_collection)
    call_model = _unbound(kwargs.pop("method", None))
    counters = {}

    def run(bound: Any, *run_args: Any, **run_kwargs: Any) -> Any:
        # The counters of the outermost scope hold those of all scopes in it.
        counters["root"] = bound.scope.rng_counters
        # Flax compiles anew where the flags of the scope, which those in it inherit, are others. It does not see that
        # methods are intercepted, and would take what it compiled for an ordinary call.
        bound.scope.flags = bound.scope.flags.copy({_FLAG: True})
        return call_model(bound, *run_args, **run_kwargs)

    def switch_on(call: Any, call_args: tuple[Any, ...], call_kwargs: dict[str, Any], context: Any) -> Any:
        if context.method_name != "__call__" or not isinstance(context.module, _FLAX_LAYERS):
            return call(*call_args, **call_kwargs)
        bound = inspect.signature(context.orig_method).bind(*call_args, **call_kwargs)
        bound.arguments.pop("deterministic", None)
        with _stochastic(context.module):
            return call(*bound.args, **bound.kwargs)

    # The stream of this name serves layers that draw from other streams.
    streams = {rng_collection: key, "params": jax.random.fold_in(key, 0)}
    with layers.all_on(), nn.intercept_methods(switch_on):
        result = module.apply(variables, *args, rngs=streams, mutable=False, method=run, **kwargs)
    checks.draws_noise("module", _any_drawn(counters))
    return result
