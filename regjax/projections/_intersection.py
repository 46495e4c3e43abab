"""The intersection of convex sets."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.numerics import widen, with_derivative_of
from regjax._src.paths import leaf_paths
from regjax._src.shards import carried
from regjax._src.tree import is_complex, is_floating
from regjax._src.types import Array, PyTree

Point = list[Array]


def intersection(
    tree: PyTree, projections: Sequence[Callable[[PyTree], PyTree]], *, num_iterations: int = 100
) -> PyTree:
    r"""Moves a tree to the nearest one that is in several convex sets, by Dykstra's method.

    .. math::

      x_0 \leftarrow z - \sum_{i > 1} e_i, \qquad
      x_i \leftarrow \Pi_i(x_{i-1} + e_i), \quad e_i \leftarrow x_{i-1} + e_i - x_i \qquad i = 1, \dots, m

    with :math:`e_1 = 0` on the right, and all others 0 at first. Without the :math:`e_i`, which remember the way,
    projecting in turn also leads into all sets, but not to the nearest point. For two sets the iteration is the
    proximal gradient method on the dual problem with step 1, and is accelerated as such: the next one starts at
    :math:`e_2` and a share of its last change, and without that share whenever it points back.

    A tree that is in all sets comes back bit for bit. Else the result is in the last set as exactly as its projection
    has it, and comes nearer to the other sets and to the nearest point with the iterations, down to the rounding of
    the largest entry. Few are needed where the sets meet at a large angle. Largest errors that were measured, for two
    sets and normal entries, after 1, 20, 50 and 100 iterations:

    - non-negative weights, then a ball about 0: 2e-7 after 1; in the other order 0.9, 2e-7;
    - a box and a ball of absolute values, in either order: 0.5, 9e-4, 2e-7; from 10 times as far 0.5, 0.5, 1e-2, 7e-6;
    - the box [0, 0.3] and the simplex of 12 entries: 0.3, 9e-2, 2e-7; from 10 times as far 0.3, 0.3, 9e-2, 2e-6;
    - the box [0, 4 / n] and the simplex of n = 256 entries, which it nearly fills: 2e-2, 2e-2, 2e-2, 6e-5.

    Three sets and more are not accelerated, and take up to ten times as many.

    The sets must be convex, have a point in common, and be projected on exactly: else the result means nothing.

    Args:
      tree: floating arrays :math:`z` of any shape.
      projections: functions :math:`\Pi_i` from a tree to the nearest one in a set, such as
        `regjax.projections.non_negative`. They get the tree in float32 (float64 where a leaf has it).
      num_iterations: how often each set is projected on, >= 1.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if `projections` is no sequence of functions, `num_iterations` is no Python integer, or a leaf is
        complex.
      ValueError: if there is no function, one returns another structure or other shapes, or `num_iterations` is not
        positive.

    Examples:
      >>> import functools
      >>> import jax.numpy as jnp
      >>> from regjax import projections
      >>> ball = functools.partial(projections.l2_ball, bound=1.0)
      >>> projections.intersection(jnp.array([3.0, 4.0, -12.0]), [projections.non_negative, ball])
      Array([0.6, 0.8, 0. ], dtype=float32)

    References:
      Boyle and Dykstra, `A Method for Finding Projections onto the Intersection of Convex Sets in Hilbert Spaces
      <https://doi.org/10.1007/978-1-4613-9940-7_3>`_, 1986; the acceleration, Chambolle and Pock, `A Remark on
      Accelerated Block Coordinate Descent for Computing the Proximity Operators of a Sum of Convex Functions
      <https://doi.org/10.5802/smai-jcm.3>`_, 2015, with the restarts of O'Donoghue and Candes, `Adaptive Restart for
      Accelerated Gradient Schemes <https://arxiv.org/abs/1204.3982>`_, 2015
    """
    functions = checks.trees_to_trees("projections", projections)
    count = checks.at_least("num_iterations", num_iterations, 1)
    leaves, structure = jax.tree.flatten(tree)
    paths = leaf_paths(tree)
    checks.real_leaves([path for path, leaf in zip(paths, leaves, strict=True) if is_complex(leaf)])
    moving = [at for at, leaf in enumerate(leaves) if is_floating(leaf) and np.size(leaf)]
    arrays = [checks.leaf_array(paths[at], leaves[at]) for at in moving]

    def project(function: Callable[[PyTree], PyTree], point: Point) -> Point:
        replaced = dict(zip(moving, point, strict=True))
        before = structure.unflatten([replaced.get(at, leaf) for at, leaf in enumerate(leaves)])
        after = function(before)
        checks.tree_is_kept("projections", before, after)
        moved = jax.tree.leaves(after)
        return [jnp.asarray(moved[at]).astype(leaf.dtype) for at, leaf in replaced.items()]

    start = list(map(widen, arrays))

    def sweep(memories: list[Point]) -> tuple[Point, list[Point]]:
        x, after = start, []
        for memory in memories:
            x = list(map(jnp.subtract, x, memory))
        x = project(functions[0], x)
        for function, memory in zip(functions[1:], memories, strict=True):
            y = list(map(_plus, x, memory))
            x = project(function, y)
            after.append(list(map(_minus, y, x)))
        return x, after

    nearest = _iterate(sweep, [list(map(jnp.zeros_like, start)) for _ in functions[1:]], count)
    for at, x, array in zip(moving, nearest, arrays, strict=True):
        leaves[at] = x.astype(array.dtype)
    return structure.unflatten(leaves)


class _Dual(NamedTuple):
    """Where an accelerated iteration stands: what to start at, what it came to, and the weight of its momentum."""

    start: list[Point]
    end: list[Point]
    weight: Array


def _iterate(sweep: Callable[[list[Point]], tuple[Point, list[Point]]], memories: list[Point], count: int) -> Point:
    """Returns the point that the last of some sweeps comes to."""
    if not memories:
        return sweep(memories)[0]

    def iteration(dual: _Dual) -> _Dual:
        end = sweep(dual.start)[1]
        # With more than two sets a sweep is no gradient step, and nothing is known of momentum.
        return _accelerated(dual, end) if len(memories) == 1 else _Dual(end, end, dual.weight)

    # The bounds of the loop are static, so it can be differentiated backwards.
    first = carried(iteration, _Dual(memories, memories, jnp.ones((), jnp.float32)))
    return sweep(jax.lax.fori_loop(1, count, lambda _, dual: iteration(dual), first).start)[0]


def _accelerated(dual: _Dual, end: list[Point]) -> _Dual:
    back = jnp.zeros((), jnp.float32)
    for s, e, old in zip(*map(jax.tree.leaves, (dual.start, end, dual.end)), strict=True):
        back += jnp.sum((s - e) * (e - old)).astype(jnp.float32)
    weight = jnp.where(back > 0, 1, dual.weight)
    grown = (1 + jnp.sqrt(1 + 4 * weight**2)) / 2
    share = (weight - 1) / grown
    start = jax.tree.map(lambda e, old: _plus(e, share.astype(e.dtype) * (e - old)), end, dual.end)
    return _Dual(start, end, grown)


def _plus(x: Array, e: Array) -> Array:
    """Returns x + e, and -0 for -0 + 0."""
    return with_derivative_of(jnp.where(e == 0, x, x + e), x + e)


def _minus(y: Array, x: Array) -> Array:
    """Returns y - x, and 0 for the difference of equal infinities."""
    return with_derivative_of(jnp.where(y == x, jnp.zeros_like(y), y - x), y - x)
