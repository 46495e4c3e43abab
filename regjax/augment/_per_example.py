"""Functions of one example, applied to each of a batch."""

from collections.abc import Callable
from typing import Any

import jax

from regjax._src import checks, random
from regjax._src.explicit import batch_of, with_batch, within_mesh
from regjax._src.types import Key, PyTree
from regjax.augment._bare_keys import bare
from regjax.augment._mixed import arrays, shapes


def per_example(fn: Callable[[Key, Any], Any], *, sequential: bool = False) -> Callable[[Key, PyTree], PyTree]:
    """Lifts a function of a key and an example to a key and a batch: each example has a draw of its own.

    Many augmentations, such as those of dm-pix, draw once a call: given a batch they change all of it alike. The
    lifted function splits its key, one for each example.

    Under `jax.vmap` a conditional computes all its branches, also those of :func:`random_apply` and
    :func:`random_choice`. With `sequential` only the ones that are taken run, one example after the other.

    Keys of the kinds "rbg" and "unsafe_rbg" under `jax.vmap` draw for the whole batch from the first key. Examples
    still differ, but one that is computed again by itself comes out otherwise; with `sequential` it does not.

    Args:
      fn: a function ``(key, example) -> result``.
      sequential: whether to loop over the examples with `jax.lax.map`, rather than to map them all at once with
        `jax.vmap`.

    Returns:
      A function ``(key, batch) -> results`` of arrays, or trees of them, that all have the examples as their leading
      axis.

    Raises:
      TypeError: if `fn` can't be called or `sequential` is no bool.
      ValueError: by the lifted function, if its arrays have no or different numbers of examples.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> def add_one_number(key, image):
      ...     return image + jax.random.normal(key)
      >>> y = regjax.augment.per_example(add_one_number)(jax.random.key(0), jnp.zeros((3, 8, 8, 1)))
      >>> len(set(y[:, 0, 0, 0].tolist())), len(set(y[0].ravel().tolist()))
      (3, 1)
    """
    checks.function("fn", fn)
    checks.flag("sequential", sequential)

    def lifted(key: Key, x: PyTree) -> PyTree:
        x = arrays("x", x, checks.any_array)

        def mapped(key: Key, x: PyTree) -> PyTree:  # a new one each time, as `fn` may close over what changes
            numbers, dress = bare(random.split(key, checks.batch_size(shapes("x", x), {})))
            batch = batch_of(x)
            with within_mesh(batch):
                if not sequential:
                    numbers, x = with_batch((numbers, x), batch)
                    return jax.vmap(fn)(dress(numbers), x)
                numbers, x = with_batch((numbers, x), batch and batch.whole())
                return with_batch(jax.lax.map(lambda example: fn(dress(example[0]), example[1]), (numbers, x)), batch)

        # On explicit axes only a program can move the keys to the devices of the examples.
        return (jax.jit(mapped) if batch_of(x) else mapped)(key, x)

    return lifted
