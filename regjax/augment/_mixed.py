"""What mixing takes and gives."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import keystr, tree_leaves_with_path, tree_map_with_path

from regjax._src import checks
from regjax._src.numerics import widen
from regjax._src.types import Array, ArrayLike, PyTree
from regjax.augment._partners import of_partners


class Mixed(NamedTuple):
    """A batch of mixed examples, and how they were mixed.

    Attributes:
      x: the mixed inputs.
      y: the mixed targets.
      weight: floating array ``[batch]``, the share of its own row that each example keeps; its partner has the rest.
      partner: integer array ``[batch]``, the index of the example that each one was mixed with.
    """

    x: PyTree
    y: PyTree
    weight: Array
    partner: Array


def arrays(name: str, tree: PyTree, check: Callable[[str, ArrayLike], Array]) -> PyTree:
    """Returns a tree with the results of a check, which is told the name of each leaf."""
    return tree_map_with_path(lambda path, leaf: check(name + keystr(path), leaf), tree)


def shapes(name: str, tree: PyTree) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the leaves by name."""
    return {name + keystr(path): leaf.shape for path, leaf in tree_leaves_with_path(tree)}


def soft_targets(y: PyTree, num_classes: int | None, dtype: jnp.dtype) -> PyTree:
    """Returns targets that can be mixed: integer labels become one-hot."""
    if num_classes is not None:
        num_classes = checks.at_least("num_classes", num_classes, 1)

    def on_leaf(name: str, leaf: ArrayLike) -> Array:
        target = checks.mixable(name, leaf)
        if jnp.issubdtype(target.dtype, jnp.floating):
            return target
        checks.leading_axis(name, target.shape)  # a single label would become a row of classes
        return jax.nn.one_hot(target, checks.classes_given(name, num_classes), dtype=dtype)

    return arrays("y", y, on_leaf)


def blend(tree: PyTree, weight: Array, partner: Array) -> PyTree:
    """Returns weight * x + (1 - weight) * x[partner]; an example that keeps all is untouched bit for bit."""

    def on_leaf(x: Array) -> Array:
        wide = widen(x)
        own = jnp.expand_dims(weight.astype(wide.dtype), tuple(range(1, x.ndim)))
        mixed = own * wide + (1 - own) * of_partners(wide, partner)
        return jnp.where(own == 1, x, mixed.astype(x.dtype))

    return jax.tree.map(on_leaf, tree)
