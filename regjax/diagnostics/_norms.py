"""How large a tree is."""

import jax.numpy as jnp

from regjax._src.numerics import add, norm_in_range, widen
from regjax._src.tree import floating_items
from regjax._src.types import Array, PyTree
from regjax.diagnostics._report import Report


def norms(tree: PyTree) -> Report:
    r"""Computes the norms of every leaf and of the whole tree.

    .. math::

      \|w\|_1, \quad \|w\|_2, \quad \|w\|_\infty

    and the largest norm of a unit, the entries along every axis but the last (the incoming weights of a unit in the
    kernels of Flax), which is what :func:`regjax.projections.max_norm` bounds. An array with fewer than two axes is one
    unit.

    Args:
      tree: floating arrays of any shape; other leaves do not count.

    Returns:
      A report with `l1`, `l2`, `max` and `max_unit`, float32 (float64 where a leaf has it). The total of `l1` is a sum,
      of `l2` the norm of all leaves together, and of the others a maximum.

    Examples:
      >>> import jax.numpy as jnp, regjax
      >>> print(
      ...     regjax.diagnostics.norms({"kernel": jnp.array([[3.0, 1.0], [4.0, 0.0]]), "bias": jnp.array([-2.0, 0.0])})
      ... )
      leaf    l1     l2  max  max_unit
      ------  --  -----  ---  --------
      bias     2      2    2         2
      kernel   8  5.099    4         5
      total   10  5.477    4         5
    """
    leaves = {path: _row(widen(leaf)) for path, leaf in floating_items(tree).items()}
    total = {name: jnp.zeros((), jnp.float32) for name in ("l1", "l2", "max", "max_unit")}
    for row in leaves.values():
        total["l1"] = add(total["l1"], row["l1"])
        total["l2"] = jnp.hypot(*_same_dtype(total["l2"], row["l2"]))
        for name in ("max", "max_unit"):
            total[name] = jnp.maximum(*_same_dtype(total[name], row[name]))
    return Report(leaves, total, tuple(total))


def _row(w: Array) -> dict[str, Array]:
    everything, unit = tuple(range(w.ndim)), tuple(range(max(w.ndim - 1, min(w.ndim, 1))))
    return {
        "l1": jnp.sum(jnp.abs(w)),
        "l2": norm_in_range(w, everything).reshape(()),
        "max": jnp.max(jnp.abs(w), initial=0),
        "max_unit": jnp.max(norm_in_range(w, unit), initial=0),
    }


def _same_dtype(x: Array, y: Array) -> tuple[Array, Array]:
    zero = jnp.zeros((), jnp.float32)
    return add(x, jnp.zeros_like(y)), add(y, add(jnp.zeros_like(x), zero))
