"""One function out of several."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, Key, PyTree
from regjax.augment._bare_keys import bare
from regjax.augment._mixed import arrays


def random_choice(
    fns: Sequence[Callable[[Key, PyTree], PyTree]], *, weights: Sequence[float] | ArrayLike | None = None
) -> Callable[[Key, PyTree], PyTree]:
    """Makes a function that applies one of several, drawn at random.

    One draw serves the call: a batch is changed by one function as a whole. For a draw for each example, wrap the
    result in :func:`per_example`. The functions are the branches of a `jax.lax.switch`, so only the chosen one is
    computed, except under `jax.vmap`.

    Args:
      fns: functions ``(key, x) -> y`` of an array or a tree of arrays, whose results agree in structure, shapes and
        dtypes.
      weights: finite numbers >= 0, one for each function, that the probabilities are proportional to; an array may be
        traced. None makes all equally likely.

    Returns:
      A function ``(key, x) -> y``.

    Raises:
      TypeError: if `fns` is no sequence of functions, or `weights` is not made of numbers.
      ValueError: if `fns` is empty, `weights` has another length, a number that is negative or not finite, or none
        above 0; by the result, if the functions disagree in what they return.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> choose = regjax.augment.random_choice([lambda key, x: x + 1, lambda key, x: x + 2], weights=(3, 1))
      >>> y = jax.jit(regjax.augment.per_example(choose))(jax.random.key(0), jnp.zeros(1000))
      >>> set(y.tolist()) == {1.0, 2.0}, abs(float(y.mean()) - 1.25) < 0.07
      (True, True)
    """
    branches = checks.functions("fns", fns)
    likely = jnp.ones(len(branches)) if weights is None else checks.choice_weights(weights, len(branches))

    def chosen(key: Key, x: PyTree) -> PyTree:
        choice_key, key = random.split(key, 2)
        choice = jax.random.categorical(choice_key, jnp.log(jnp.asarray(likely, jnp.float32)))
        x = arrays("x", x, checks.any_array)
        first = jax.eval_shape(branches[0], key, x)
        data, dress = bare(key)

        def branch(index: int) -> Callable[[Array, PyTree], PyTree]:
            def take(data: Array, x: PyTree) -> PyTree:
                y = jax.tree.map(jnp.asarray, branches[index](dress(data), x))
                checks.same_arrays(f"fns[{index}](key, x)", y, "fns[0](key, x)", first)
                return y

            return take

        return jax.lax.switch(choice, [branch(index) for index in range(len(branches))], data, x)

    return chosen
