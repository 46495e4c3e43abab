"""The conditional of two linear functions, as a primitive of JAX.

It stands for `on_true(fixed, moves)` or `on_false(fixed, moves)`, each of them linear in the moves, and is computed as
`jax.lax.cond`. But when JAX splits a program into what can be computed before the moves are known and what is linear
in them, as it does for every gradient, it splits `jax.lax.cond` as well, whose first half then hands over all that the
second one needs. This primitive goes to the linear part whole, and its operands directly.
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.interpreters import ad, batching, mlir

from regjax._src import checks
from regjax._src.shards import axes_of_shards, axes_of_type
from regjax._src.types import Array

# At run time this import would take as long as all rooms of this library together.
if TYPE_CHECKING:
    from jax.extend import core

# From what is fixed and from what it is linear in.
Linear: TypeAlias = Callable[[Sequence[Array], Sequence[Array]], list[Array]]
# The sides of a conditional, that for False first, as programs that take what is fixed and then the moves.
Sides: TypeAlias = tuple["core.ClosedJaxpr", "core.ClosedJaxpr"]


def linear_conditional(
    predicate: Array, on_true: Linear, on_false: Linear, fixed: Sequence[Array], moves: Sequence[Array]
) -> list[Array]:
    """Computes one of two functions that are linear in the moves, and of the same shapes."""

    def traced(side: Linear) -> "core.ClosedJaxpr":
        return jax.make_jaxpr(lambda *both: side(both[: len(fixed)], both[len(fixed) :]))(*fixed, *moves)

    sides = traced(on_false), traced(on_true)
    return _primitive().bind(predicate, *fixed, *moves, sides=sides, num_fixed=len(fixed))


def of_some(function: Callable[..., Any], operands: Sequence[Array], moving: list[int]) -> Callable[..., Any]:
    """Returns the function of some of its operands alone."""

    def of_moving(*moved: Array) -> Any:
        whole = list(operands)
        for index, operand in zip(moving, moved, strict=True):
            whole[index] = operand
        return function(*whole)

    return of_moving


@functools.cache
def _primitive() -> "core.Primitive":
    """Returns the primitive: from the predicate, what is fixed, and the moves to what a side returns."""
    from jax.extend.core import Primitive  # noqa: PLC0415 - see above

    linear: Any = Primitive("linear_conditional")
    linear.multiple_results = True
    linear.def_impl(_run)
    linear.def_abstract_eval(lambda *_, sides, **__: sides[True].out_avals)
    mlir.register_lowering(linear, mlir.lower_fun(_run, multiple_results=True))
    ad.primitive_jvps[linear] = _jvp
    ad.primitive_transposes[linear] = _transposed
    batching.fancy_primitive_batchers[linear] = _batched
    if not hasattr(jax, "shard_map"):
        # Only the first versions need to be told that shards of it are independent.
        shard_map: Any = importlib.import_module("jax.experimental.shard_map")
        shard_map.register_standard_check(linear)
        shard_map.register_standard_rewrite(linear)
    return linear


def _run(predicate: Array, *operands: Array, sides: Sides, num_fixed: int) -> list[Array]:
    """Computes it."""
    del num_fixed
    on_false, on_true = map(_function, sides)
    return jax.lax.cond(predicate, on_true, on_false, *operands)


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, sides: Sides, num_fixed: int
) -> tuple[list[Array], list[Array]]:
    """Returns the results and their tangents: a conditional of the derivatives of both sides.

    These are linear in the tangents, whether of what is fixed or of the moves; both are fixed now.
    """
    predicate, *operands = primals
    moving = [index for index, tangent in enumerate(tangents[1:]) if not isinstance(tangent, ad.Zero)]

    def derivative(side: "core.ClosedJaxpr") -> Linear:
        def run(fixed: Sequence[Array], moves: Sequence[Array]) -> list[Array]:
            of_moving = of_some(_function(side), fixed, moving)
            return jax.jvp(of_moving, tuple(fixed[index] for index in moving), tuple(moves))[1]

        return run

    results = _primitive().bind(*primals, sides=sides, num_fixed=num_fixed)
    on_false, on_true = map(derivative, sides)
    moves = [tangents[1 + index] for index in moving]
    return results, linear_conditional(predicate, on_true, on_false, operands, moves)


def _transposed(cotangents: Sequence[Any], predicate: Array, *operands: Any, sides: Sides, num_fixed: int) -> list[Any]:
    """Returns the cotangents of the operands: a conditional of both sides transposed.

    Of the operands, those to transpose have no value; they are moves. For the others None is returned.
    """
    del num_fixed
    moving = [index for index, operand in enumerate(operands) if ad.is_undefined_primal(operand)]
    types = [operands[index].aval for index in moving]
    # The derivative by what all shards share is summed over them: not where only some of them come by.
    checks.nothing_shared(frozenset[str]().union(*(axes_of_shards(predicate) - axes_of_type(each) for each in types)))

    def transpose(side: "core.ClosedJaxpr") -> Linear:
        def run(fixed: Sequence[Array], moves: Sequence[Array]) -> list[Array]:
            rest = iter(fixed)
            whole: Any = [None if index in moving else next(rest) for index in range(len(operands))]
            # At which point does not matter to a linear function.
            _, pull = jax.vjp(of_some(_function(side), whole, moving), *map(ad.zeros_like_aval, types))
            return list(pull(list(moves)))

        return run

    on_false, on_true = map(transpose, sides)
    fixed = [operand for operand in operands if not ad.is_undefined_primal(operand)]
    moves = list(map(ad.instantiate_zeros, cotangents))
    pulled = iter(linear_conditional(predicate, on_true, on_false, fixed, moves))
    return [None, *(next(pulled) if index in moving else None for index in range(len(operands)))]


def _batched(
    axis: Any, operands: Sequence[Any], axes: Sequence[Any], *, sides: Sides, num_fixed: int
) -> tuple[list[Array], list[int | None]]:
    """Returns the mapped results, and along which axis of theirs.

    For one predicate it is a conditional of both sides mapped, and for a mapped one a choice between their results.

    Args:
      axis: what JAX knows of the axis of the map.
      operands: the predicate, what is fixed, and the moves.
      axes: along which axis of theirs each is mapped, or None.
      sides: of the primitive.
      num_fixed: of the primitive.
    """
    # JAX asks even then, where it tells of the axis.
    if all(place is None for place in axes):
        results = _primitive().bind(*operands, sides=sides, num_fixed=num_fixed)
        return results, [None] * len(results)
    on_false, on_true = map(_function, sides)
    mapped = functools.partial(jax.vmap, axis_name=axis.name, axis_size=axis.size, spmd_axis_name=axis.spmd_name)

    def choose(predicate: Array, *operands: Array) -> list[Array]:
        # As `jax.lax.cond` does: where a side is not chosen, its derivative must not matter even if it is not finite.
        results = []
        for chosen, side in ((predicate, on_true), (~predicate, on_false)):
            fixed = [_select(chosen, each, jax.lax.stop_gradient(each)) for each in operands[:num_fixed]]
            moves = [_select(chosen, each, jnp.zeros_like(each)) for each in operands[num_fixed:]]
            results.append(side(*fixed, *moves))
        return [_select(predicate, *both) for both in zip(*results, strict=True)]

    predicate, *rest = operands
    if axes[0] is not None:
        results = mapped(choose, tuple(axes))(predicate, *rest)
    else:
        map_true, map_false = (mapped(side, tuple(axes[1:])) for side in (on_true, on_false))
        results = linear_conditional(
            predicate,
            lambda fixed, moves: map_true(*fixed, *moves),
            lambda fixed, moves: map_false(*fixed, *moves),
            rest[:num_fixed],
            rest[num_fixed:],
        )
    return results, [0] * len(results)


def _select(predicate: Array, on_true: Array, on_false: Array) -> Array:
    return jax.lax.select(jnp.broadcast_to(predicate, on_true.shape), on_true, on_false)


def _function(side: "core.ClosedJaxpr") -> Callable[..., list[Array]]:
    return lambda *operands: eval_jaxpr(side.jaxpr, side.consts, *operands)
