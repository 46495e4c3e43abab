"""What a function of a module would return, without running it or touching the module."""

from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn


def eval_shape(function: Callable[..., Any], module: nn.Module, *args: Any) -> Any:
    """Returns the shapes and dtypes of `function(module, *args)`, like `jax.eval_shape`."""
    unbound, variables = module.unbind()
    streams = module.scope.rngs if module.scope else {}
    # Parameters that the module shares with others do not come along and are made anew.
    rngs = {name: jax.random.key(0) for name in ("params", *streams)}

    def run(variables: Any, *args: Any) -> Any:
        return unbound.apply(variables, *args, method=function, rngs=rngs, mutable=True)[0]

    return jax.eval_shape(run, variables, *args)
