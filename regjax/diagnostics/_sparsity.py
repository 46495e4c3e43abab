"""How much of a tree is exactly zero."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax import masks
from regjax._src.groups import leaf_axes
from regjax._src.tree import floating_items
from regjax._src.types import Array, Axis, PyTree
from regjax.diagnostics._report import Report


def sparsity(tree: PyTree, *, mask: Any = None) -> Report:
    r"""Counts the entries that are exactly zero.

    .. math::

      \text{sparsity} = \frac{\#\{i : w_i = 0\}}{n}

    Args:
      tree: floating arrays of any shape; other leaves do not count.
      mask: which leaves count; anything that :func:`regjax.masks.as_mask` takes. None for all.

    Returns:
      A report with `zeros` and `size` (int32, float32 from 2^31 up) and `sparsity` (float32, 0 where there is no
      entry).

    Raises:
      TypeError: if `mask` is of a wrong kind.
      ValueError: if `mask` does not fit `tree`.

    Examples:
      >>> import jax.numpy as jnp, regjax
      >>> print(regjax.diagnostics.sparsity({"kernel": jnp.array([[1.0, 0.0], [0.0, 0.0]]), "bias": jnp.ones(2)}))
      leaf    zeros  size  sparsity
      ------  -----  ----  --------
      bias        0     2         0
      kernel      3     4      0.75
      total       3     6       0.5
    """
    return _report({path: (_count(leaf == 0, leaf.size), leaf.size) for path, leaf in _counted(tree, mask).items()})


def group_sparsity(tree: PyTree, axis: Axis, *, mask: Any = None) -> Report:
    r"""Counts the groups that are exactly zero in all their entries.

    .. math::

      \text{sparsity} = \frac{\#\{g : w_g = 0\}}{\#\text{groups}}

    Args:
      tree: floating arrays; other leaves do not count.
      axis: the axes of one group, as in :func:`regjax.penalties.group_lasso`; None makes each leaf one group.
      mask: which leaves count, and have the axes; anything that :func:`regjax.masks.as_mask` takes. None for all.

    Returns:
      A report with `zeros` and `size` (numbers of groups, int32) and `sparsity` (float32).

    Raises:
      TypeError: if `axis` is not made of integers, or `mask` is of a wrong kind.
      ValueError: if `axis` is out of range for a leaf, or `mask` does not fit `tree`.

    Examples:
      >>> import jax.numpy as jnp, regjax
      >>> params = {"dense": {"kernel": jnp.array([[1.0, 0.0], [0.0, 0.0]]), "bias": jnp.zeros(2)}}
      >>> print(regjax.diagnostics.group_sparsity(params, axis=1, mask="**/kernel"))
      leaf          zeros  size  sparsity
      ------------  -----  ----  --------
      dense/kernel      1     2       0.5
      total             1     2       0.5
    """

    def counts(path: str, leaf: Array) -> tuple[Array, int]:
        axes = leaf_axes(axis, path, leaf)
        groups = math.prod(size for a, size in enumerate(leaf.shape) if a not in axes)
        return _count(jnp.all(leaf == 0, axes), groups), groups

    return _report({path: counts(path, leaf) for path, leaf in _counted(tree, mask).items()})


def _counted(tree: PyTree, mask: Any) -> dict[str, Array]:
    return floating_items(tree if mask is None else masks.select(mask, tree))


def _report(counts: dict[str, tuple[Array, int]]) -> Report:
    size = sum(size for _, size in counts.values())
    zeros = sum((zero.astype(_dtype(size)) for zero, _ in counts.values()), jnp.zeros((), _dtype(size)))
    total = _row(zeros, size)
    return Report({path: _row(*count) for path, count in counts.items()}, total, tuple(total))


def _row(zeros: Array, size: int) -> dict[str, Array]:
    share = zeros.astype(jnp.float32) / float(max(size, 1))
    return {"zeros": zeros, "size": jnp.asarray(size, _dtype(size)), "sparsity": share}


def _dtype(size: int) -> jnp.dtype:
    """Returns what can count that far: int32, or float32, near enough to divide by, for the largest models."""
    return jnp.dtype(jnp.int32 if size < 2**31 else jnp.float32)


def _count(flags: Array, size: int) -> Array:
    dtype = _dtype(size)
    if dtype != jnp.int32:
        return jnp.sum(flags, dtype=dtype)
    # On CPU a sum of integers, or of floats made of a comparison, is one that XLA writes its terms to memory for; a
    # reduction of two results is not, so both are used.
    terms, none = (flags.astype(dtype), flags), (np.int32(0), np.bool_(False))
    count, some = jax.lax.reduce(terms, none, _join, tuple(range(flags.ndim)))
    return jnp.where(some, count, 0)


# One object, by which JAX knows outside of `jit` that it has compiled the reduction already.
def _join(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
    return left[0] + right[0], left[1] | right[1]
