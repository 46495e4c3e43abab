"""How transformations reach updates and parameters together."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import compute_dtype, with_derivative_of
from regjax._src.sharing import once_per_shape
from regjax._src.tree import is_floating
from regjax._src.types import Array, PyTree, Scalar, ScalarOrSchedule


def map_updates(
    function: Callable[..., Array], updates: PyTree, params: PyTree, *rest: PyTree, keep: PyTree = None
) -> PyTree:
    """Maps `function(update, param, *rest)` over the leaves that an optimizer moves, of those that `keep` selects.

    Both arrive in the dtype to compute in, and the result is cast by :func:`emitted`, as are the updates of leaves that
    are not selected. Where there is no update (None), or the parameter is not floating, it is passed on as it is.
    """
    structure, us, ps = aligned(updates, params)
    columns = [structure.flatten_up_to(tree) for tree in rest]
    selected = [True] * len(us) if keep is None else structure.flatten_up_to(keep)
    moved = once_per_shape(lambda _, u, p, *others: emitted(function(*_widened(u, p), *others), u, p), ps)

    def on_leaf(yes: Any, u: Any, p: Any, *others: Any) -> Any:
        if not moves(u, p):
            return u
        return moved("", u, p, *others) if yes else emitted(jnp.asarray(u), u, p)

    return structure.unflatten(map(on_leaf, selected, us, ps, *columns))


def move_to(operator: Callable[[PyTree], PyTree], updates: PyTree, params: PyTree) -> PyTree:
    """Returns the updates that take `params` to `operator(params + updates)`.

    The operator sees every leaf, but what it does to one that does not move is ignored. Where it changes nothing the
    update is passed on bit for bit.
    """
    structure, us, ps = aligned(updates, params)
    added = once_per_shape(lambda _, u, p: jnp.add(*_widened(u, p)), ps)
    before = [added("", u, p) if moves(u, p) else p for u, p in zip(us, ps, strict=True)]
    after = structure.flatten_up_to(operator(structure.unflatten(before)))
    difference = once_per_shape(lambda _, x, z, u, p: _to(x, z, u, p), ps)

    def on_leaf(u: Any, p: Any, z: Any, x: Any) -> Any:
        return difference("", x, z, u, p) if moves(u, p) else u

    return structure.unflatten(map(on_leaf, us, ps, before, after))


def move_leaf_to(operator: Callable[[Array], Array], u: Array, p: Array) -> Array:
    """Does for one leaf what :func:`move_to` does for a tree."""
    z = jnp.add(*_widened(u, p))
    return _to(operator(z), z, u, p)


def _to(x: Array, z: Array, u: Any, p: Any) -> Array:
    wide_u, wide_p = _widened(u, p)
    # The operator may do nothing at a strength of 0, and depend on the strength.
    difference = x - wide_p
    return emitted(with_derivative_of(jax.lax.select(x == z, wide_u, difference), difference), u, p)


def emitted(update: Array, u: Any, p: Any) -> Array:
    """Casts a new update to the wider of the dtypes of the old one and of the parameter.

    One that is narrower than its parameter could not express that the parameter becomes exactly zero.
    """
    return update.astype(jnp.promote_types(jnp.result_type(u), jnp.result_type(p)))


def value_at(value: ScalarOrSchedule, step: Scalar) -> Scalar:
    """Returns a number, or what a schedule says at a step."""
    return value(step) if callable(value) else value


def aligned(updates: PyTree, params: PyTree) -> tuple[Any, list[Any], list[Any]]:
    checks.params_given(params)
    us, structure = jax.tree.flatten(updates, is_leaf=lambda node: node is None)
    ps = checks.flatten_up_to("updates", structure, params)
    for u, p in zip(us, ps, strict=True):
        checks.update_fits(u, p)
    return structure, us, ps


def moves(u: Any, p: Any) -> bool:
    return u is not None and is_floating(p)


def _widened(u: Any, p: Any) -> tuple[Array, Array]:
    u, p = jnp.asarray(u), jnp.asarray(p)
    dtype = compute_dtype(u, p)
    return u.astype(dtype), p.astype(dtype)
