"""Functions one after the other."""

from collections.abc import Callable
from typing import Any

from regjax._src import checks, random
from regjax._src.types import Key


def compose(*fns: Callable[[Key, Any], Any]) -> Callable[[Key, Any], Any]:
    """Makes a function that applies several in the order in which they are given, each with a key of its own.

    Args:
      *fns: functions ``(key, x) -> y``; each is given what the one before it returned. None of them makes the identity.

    Returns:
      A function ``(key, x) -> y``.

    Raises:
      TypeError: if one of them can't be called.

    Examples:
      >>> import functools
      >>> import jax
      >>> import jax.numpy as jnp
      >>> from regjax import augment
      >>> policy = augment.compose(
      ...     augment.random_flip,
      ...     functools.partial(augment.random_crop, padding=4),
      ...     augment.per_example(augment.random_apply(lambda key, image: 1 - image, 0.1)),
      ... )
      >>> policy(jax.random.key(0), jnp.zeros((8, 32, 32, 3))).shape
      (8, 32, 32, 3)
    """
    for index, fn in enumerate(fns):
        checks.function(f"fns[{index}]", fn)

    def composed(key: Key, x: Any) -> Any:
        for fn, own in zip(fns, random.split(key, len(fns)), strict=True):
            x = fn(own, x)
        return x

    return composed
