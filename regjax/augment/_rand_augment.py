"""RandAugment: random operations of one strength."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.explicit import automatic, within
from regjax._src.numerics import compute_dtype, number
from regjax._src.types import Array, ArrayLike, Key, Scalar
from regjax.augment._bare_keys import bare
from regjax.augment._operations import Operation, named_operations


def rand_augment(
    key: Key,
    x: ArrayLike,
    *,
    num_operations: int = 2,
    magnitude: Scalar = 0.3,
    operations: Sequence[str | Operation] | None = None,
    fill: ArrayLike = 0.0,
) -> Array:
    """Applies to each image some operations that it draws at random, and computes only those.

    Each operation is drawn from all of them with equal probability, so one may come twice. Those of the paper, with
    the ranges of AutoAugment, each in both directions with equal probability where it has two:

    ==============================  =======================================================================
    operation                       at the magnitude :math:`m`
    ==============================  =======================================================================
    "identity"                      nothing
    "autocontrast", "equalize"      stretches each channel to [0, 1]; flattens its histogram of 256 levels
    "rotate"                        by 30 m degrees
    "solarize"                      inverts values from 256 (1 - m) / 255
    "posterize"                     keeps the highest 8 - round(4 m) of 8 bits
    "brightness", "contrast",       moves away from black, from the mean grey, from the greyscale image, from
    "color", "sharpness"            the smoothed image, or towards it, by a factor 1 + 0.9 m or 1 - 0.9 m
    "shear_x", "shear_y"            by 0.3 m pixels a pixel
    "translate_x", "translate_y"    by 150 / 331 m of the width or height
    ==============================  =======================================================================

    The magnitude 0 leaves all but "autocontrast" and "equalize" without effect. Greyscale is the luma of three
    channels, and the mean of another number of channels.

    The images go one after the other through a loop with a switch (`jax.lax.map` and `jax.lax.switch`). So an image
    costs its own operations, where selecting among all results would cost all fourteen, `num_operations` times; but
    the loop runs ``batch * num_operations`` small steps in a row, which a CPU does not mind and which leaves much of an
    accelerator idle. A batch that is sharded over devices would be gathered for the loop: there, call it under
    `jax.shard_map`. `jax.vmap` over keys turns the switch into computing all operations.

    Args:
      key: a PRNG key.
      x: floating array ``[batch, height, width, channels]`` with values in [0, 1]; images in `uint8` are to be divided
        by 255 first.
      num_operations: how many operations each image undergoes, a Python integer.
      magnitude: the strength :math:`m` of all operations, in [0, 1]; may be traced. 0.3 is the usual 9 of 30.
      operations: names from the table and functions ``(key, image, magnitude) -> image`` to draw from, of one image
        ``[height, width, channels]`` in the dtype to compute in, which they keep as they do the shape. None takes all
        of the table.
      fill: the value of what comes in from beyond the edge, one for all channels or an array of one for each.

    Returns:
      An array with the shape and dtype of `x`, computed in float32, or float64 for a float64 `x`.

    Raises:
      TypeError: if `x` is not floating, or an argument or entry of `operations` is of a wrong kind.
      ValueError: if `x` does not have four axes, `magnitude` is a number outside [0, 1], `num_operations` is below 1,
        `operations` is empty or has an unknown name, or an operation returns another shape or dtype.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> def invert(key, image, magnitude):
      ...     return 1 - image
      >>> images = jnp.full((20, 8, 8, 3), 0.25)
      >>> operations = ("identity", "solarize", invert)
      >>> y = regjax.augment.rand_augment(jax.random.key(0), images, operations=operations)
      >>> sorted(set(y[:, 0, 0, 0].tolist()))
      [0.25, 0.75]

    References:
      Cubuk et al, `RandAugment: Practical automated data augmentation with a reduced search space
      <https://arxiv.org/abs/1909.13719>`_, 2020

      Cubuk et al, `AutoAugment: Learning Augmentation Policies from Data <https://arxiv.org/abs/1805.09501>`_, 2019
    """
    x = checks.floating("x", x)
    checks.planes({"x": x.shape})
    checks.rate("magnitude", magnitude)
    count = checks.at_least("num_operations", num_operations, 1)
    value = checks.fill(fill, x)
    chosen = _chosen(operations, value)
    choice_key, key = random.split(key, 2)
    dtype = compute_dtype(x)
    strength = number(magnitude, dtype)
    choices = jax.random.randint(choice_key, (len(x), count), 0, len(chosen))
    keys, dress = bare(jax.random.split(key, (len(x), count)))

    def on_batch(x: Array, choices: Array, keys: Array, fill: Array) -> Array:
        branches = [_branch(name, operation, dress) for name, operation in _chosen(operations, fill)]

        def step(image: Array, drawn: tuple[Array, Array]) -> tuple[Array, None]:
            choice, key = drawn
            return jax.lax.switch(choice, branches, key, image, within(strength)), None

        def on_example(example: tuple[Array, Array, Array]) -> Array:
            image, choices, keys = example
            return jax.lax.scan(step, image.astype(dtype), (choices, keys))[0].astype(x.dtype)

        return jax.lax.map(on_example, (x, choices, keys))

    return automatic(on_batch, x, choices, keys, value)


def _chosen(named: Sequence[str | Operation] | None, fill: Array) -> list[tuple[str, Operation]]:
    """Returns the operations to draw from, with the names by which errors speak of them."""
    known = named_operations(fill)
    entries = checks.operations(tuple(known) if named is None else named, tuple(known))
    return [(f"operations[{i}]", known[e] if isinstance(e, str) else e) for i, e in enumerate(entries)]


def _branch(name: str, operation: Operation, dress: Callable[[Array], Key]) -> Callable[[Array, Array, Array], Array]:
    def branch(key: Array, image: Array, magnitude: Array) -> Array:
        result = jnp.asarray(operation(dress(key), image, magnitude))
        checks.same_arrays(f"the result of {name}", result, "image", image)
        return result

    return branch
