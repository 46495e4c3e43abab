"""What a mask says of a given tree."""

from typing import Any

import jax

from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.tree import is_complex, is_floating
from regjax._src.types import PyTree
from regjax.masks._as_mask import as_mask


def resolve(mask: Any, tree: PyTree) -> PyTree:
    """Returns the tree of bools that a mask stands for.

    Leaves that are not floating are never selected. The result also serves as a mask of Optax's own transformations.

    Args:
      mask: anything that :func:`regjax.masks.as_mask` takes.
      tree: a tree of arrays, or of anything with a dtype and a shape.

    Returns:
      A tree of Python bools with the structure of `tree`.

    Raises:
      TypeError: if `mask` is of a wrong kind or selects a complex leaf, or `tree` is text.
      ValueError: if a pattern matches no floating leaf, or a tree of bools does not fit.

    Examples:
      >>> from regjax import masks
      >>> masks.resolve(("dense/*", "head/kernel"), {"dense": {"kernel": 1.0}, "head": {"bias": 0.0, "kernel": 1.0}})
      {'dense': {'kernel': True}, 'head': {'bias': False, 'kernel': True}}
    """
    checks.no_text(tree)
    leaves, structure = jax.tree.flatten(tree)
    chosen = as_mask(mask).selected(tree)
    checks.real_leaves(
        [path for path, c, leaf in zip(leaf_paths(tree), chosen, leaves, strict=True) if c and is_complex(leaf)]
    )
    return structure.unflatten([c and is_floating(leaf) for c, leaf in zip(chosen, leaves, strict=True)])


def select(mask: Any, tree: PyTree) -> PyTree:
    """Returns the tree with `None` in place of every leaf that a mask does not select.

    Args:
      mask: anything that :func:`regjax.masks.as_mask` takes.
      tree: a tree of arrays.

    Returns:
      A tree; `jax.tree` functions do not visit its `None`.

    Raises:
      TypeError: if `mask` is of a wrong kind.
      ValueError: if a pattern matches no floating leaf, or a tree of bools does not fit.

    Examples:
      >>> from regjax import masks
      >>> masks.select("**/kernel", {"kernel": 1.0, "bias": 0.0})
      {'bias': None, 'kernel': 1.0}
    """
    return jax.tree.map(lambda chosen, leaf: leaf if chosen else None, resolve(mask, tree), tree)
