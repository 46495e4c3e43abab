"""Functions that are applied at times."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, Key, PyTree, Scalar
from regjax.augment._bare_keys import bare
from regjax.augment._mixed import arrays


def random_apply(fn: Callable[[Key, PyTree], PyTree], prob: Scalar) -> Callable[[Key, PyTree], PyTree]:
    """Makes a function that is applied with a probability, and else returns what it is given.

    One coin serves the call: a batch is changed as a whole or not at all. For a coin for each example, wrap the result
    in :func:`per_example`. The function is the branch of a `jax.lax.cond`, so it is not computed where it is not
    applied, except under `jax.vmap`.

    Args:
      fn: a function ``(key, x) -> y`` of an array or a tree of arrays, with `y` like `x` in structure, shapes and
        dtypes.
      prob: the probability of applying it, in [0, 1]; may be traced.

    Returns:
      A function ``(key, x) -> y``.

    Raises:
      TypeError: if `fn` can't be called, or `prob` is of a wrong kind.
      ValueError: if `prob` is a number outside [0, 1]; by the result, if `fn` returns other shapes or dtypes.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> negate = regjax.augment.random_apply(lambda key, x: -x, 0.5)
      >>> y = jax.jit(regjax.augment.per_example(negate))(jax.random.key(0), jnp.ones(1000))
      >>> set(y.tolist()) == {1.0, -1.0}, abs(float(y.mean())) < 0.15
      (True, True)
    """
    checks.function("fn", fn)
    checks.rate("prob", prob)

    def applied(key: Key, x: PyTree) -> PyTree:
        coin_key, key = random.split(key, 2)
        data, dress = bare(key)
        x = arrays("x", x, checks.any_array)

        def take(data: Array, x: PyTree) -> PyTree:
            y = jax.tree.map(jnp.asarray, fn(dress(data), x))
            checks.same_arrays("fn(key, x)", y, "x", x)
            return y

        return jax.lax.cond(random.keep_mask(coin_key, prob, ()), take, lambda _, x: x, data, x)

    return applied
