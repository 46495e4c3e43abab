"""A conditional whose gradient takes what its branch was given from where it is, and keeps only what it computed.

In reverse mode, `jax.lax.cond` makes a result of the forward conditional of every value that the backward one needs.
Among these are its own operands, such as the kernels of the branch: they are copied where the branch is computed, and
written as zeros where it is not.
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.custom_derivatives import SymbolicZero
from jax.interpreters import ad, batching, mlir

from regjax._src import checks
from regjax._src.shards import axes_of_shards, axes_of_type
from regjax._src.types import Array

# At run time this import would take as long as all rooms of this library together.
if TYPE_CHECKING:
    from jax.extend import core

Function = Callable[..., Array]
# From what is fixed and from what it is linear in.
Linear = Callable[[Sequence[Array], Sequence[Array]], list[Array]]
# The sides of a conditional, that for False first.
Sides: TypeAlias = tuple["core.ClosedJaxpr", "core.ClosedJaxpr"]


def lean_conditional(
    predicate: Array,
    on_true: Callable[[Any, Array], Array],
    on_false: Callable[[Any, Array], Array],
    target: Any,
    x: Any,
) -> Array:
    """Computes what `jax.lax.cond` does.

    Args:
      predicate: a boolean scalar.
      on_true: what is computed if it is true. Of a function under `jax.checkpoint`, a gradient keeps what its policy
        says.
      on_false: what is computed if it is false, from `x` alone, with a result of the same shape and dtype. A gradient
        keeps nothing of it.
      target: the first argument of both.
      x: the second one.
    """
    # What the branch closes over becomes an argument as well: rules may run when the tracers of this call are gone.
    traced = jax.make_jaxpr(on_true)(target, x)
    exchanged = tuple(_named_axes(traced) - set(jax.sharding.get_abstract_mesh().manual_axes))
    if exchanged:
        return _exchanging(predicate, on_true, on_false, target, x, axes=exchanged)
    operands = [*traced.consts, *jax.tree.leaves((target, x))]

    def kept(*operands: Array) -> Array:
        (result,) = eval_jaxpr(traced.jaxpr, operands[: len(traced.consts)], *operands[len(traced.consts) :])
        return result

    def dropped(*operands: Array) -> Array:
        return on_false(None, operands[-1])

    @jax.custom_jvp
    def choose(predicate: Array, *operands: Array) -> Array:
        return jax.lax.cond(predicate, kept, dropped, *operands)

    def derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
        return _differentiated(kept, dropped, primals[0], primals[1:], tangents[1:])

    choose.defjvp(derivative, symbolic_zeros=True)
    return choose(predicate, *operands)


def _exchanging(
    predicate: Array,
    on_true: Callable[[Any, Array], Array],
    on_false: Callable[[Any, Array], Array],
    target: Any,
    x: Array,
    *,
    axes: tuple[Any, ...],
) -> Array:
    """Computes the conditional where lanes of `jax.vmap` exchange something along these axes.

    Lanes may choose differently, and then one that keeps the branch needs what it gives in one that drops it, as does
    its derivative, which `jax.lax.cond` would take for zero. So all compute it, or none.
    """

    def kept_somewhere(target: Any, x: Array) -> Array:
        return jnp.where(predicate, on_true(target, x), on_false(None, x))

    somewhere = jax.lax.pmax(jnp.asarray(predicate, jnp.int32), axes) > 0
    return jax.lax.cond(somewhere, kept_somewhere, on_false, target, x)


def _named_axes(program: "core.ClosedJaxpr") -> set[Any]:
    return {effect.name for effect in program.effects if hasattr(effect, "name")}


def _differentiated(
    kept: Function, dropped: Function, predicate: Array, operands: Sequence[Array], tangents: Sequence[Any]
) -> tuple[Array, Array]:
    """Returns the chosen result and its derivative along the tangents."""
    moving = [index for index, tangent in enumerate(tangents) if not isinstance(tangent, SymbolicZero)]
    split = _split(kept, operands, moving)

    def kept_split(*operands: Array) -> tuple[Array, list[Array]]:
        return split.run(operands)

    def dropped_split(*operands: Array) -> tuple[Array, list[Array]]:
        return dropped(*operands), list(map(ad.zeros_like_aval, split.shapes))

    def kept_tangent(fixed: Sequence[Array], moves: Sequence[Array]) -> list[Array]:
        return [split.linear(fixed[: len(operands)], fixed[len(operands) :])(*moves)]

    def dropped_tangent(fixed: Sequence[Array], moves: Sequence[Array]) -> list[Array]:
        of_moving = _of(dropped, fixed[: len(operands)], moving)
        return [jax.jvp(of_moving, tuple(fixed[index] for index in moving), tuple(moves))[1]]

    result, computed = jax.lax.cond(predicate, kept_split, dropped_split, *operands)
    moves = [tangents[index] for index in moving]
    (move,) = _linear(predicate, kept_tangent, dropped_tangent, [*operands, *computed], moves)
    return result, move


class _Split(NamedTuple):
    """A function that was split into its result and its derivative, a linear function.

    Attributes:
      jaxpr: from the operands of the function to its result and all that the derivative needs.
      sources: for each array that the derivative needs, which operand it is, or None if it is computed.
      structure: of the derivative, as a tree of the arrays that it needs.
    """

    jaxpr: "core.ClosedJaxpr"
    sources: list[int | None]
    structure: Any

    @property
    def shapes(self) -> list[Any]:
        """The types of what is computed for the derivative."""
        return self._computed(self.jaxpr.out_avals[1:])

    def run(self, operands: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Returns the result, and what is computed for the derivative."""
        result, *needed = eval_jaxpr(self.jaxpr.jaxpr, self.jaxpr.consts, *operands)
        return result, self._computed(needed)

    def linear(self, operands: Sequence[Array], computed: Sequence[Array]) -> Callable[..., Array]:
        """Returns the derivative."""
        rest = iter(computed)
        needed = (next(rest) if source is None else operands[source] for source in self.sources)
        return jax.tree.unflatten(self.structure, needed)

    def _computed(self, needed: list[Any]) -> list[Any]:
        return [each for each, source in zip(needed, self.sources, strict=True) if source is None]


def _split(function: Function, operands: Sequence[Array], moving: list[int]) -> _Split:
    """Splits a function, for moves of some of its operands."""
    structures = []

    def linearized(*operands: Array) -> list[Array]:
        of_moving = _of(function, operands, moving)
        result, linear = jax.linearize(of_moving, *(operands[index] for index in moving))
        if not isinstance(linear, jax.tree_util.Partial):
            message = f"`jax.linearize` must return a Partial, whose leaves are what it keeps, got {type(linear)}"
            raise TypeError(message)
        needed, structure = jax.tree.flatten(linear)
        structures.append(structure)
        return [result, *needed]

    jaxpr = jax.make_jaxpr(linearized)(*operands)
    places = {id(variable): place for place, variable in enumerate(jaxpr.jaxpr.invars)}
    sources = [places.get(id(variable)) for variable in jaxpr.jaxpr.outvars[1:]]
    return _Split(jaxpr, sources, structures[-1])


def _of(function: Callable[..., Any], operands: Sequence[Array], moving: list[int]) -> Callable[..., Any]:
    """Returns the function of some of its operands alone."""

    def of_moving(*moved: Array) -> Any:
        whole = list(operands)
        for index, operand in zip(moving, moved, strict=True):
            whole[index] = operand
        return function(*whole)

    return of_moving


def _linear(
    predicate: Array, on_true: Linear, on_false: Linear, fixed: Sequence[Array], moves: Sequence[Array]
) -> list[Array]:
    """Computes `on_true(fixed, moves)` or `on_false(fixed, moves)`, which are linear in the moves."""
    sides = tuple(jax.make_jaxpr(_flat(side, len(fixed)))(*fixed, *moves) for side in (on_false, on_true))
    return _primitive().bind(predicate, *fixed, *moves, sides=sides, num_fixed=len(fixed))


def _flat(side: Linear, num_fixed: int) -> Callable[..., list[Array]]:
    return lambda *operands: side(operands[:num_fixed], operands[num_fixed:])


@functools.cache
def _primitive() -> "core.Primitive":
    """Returns the conditional of :func:`_linear` as JAX knows it.

    When a program is split into what can be computed before and what is linear, this is not split itself: it goes to
    the linear part whole, and its operands directly.
    """
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
    del num_fixed
    on_false, on_true = map(_function, sides)
    return jax.lax.cond(predicate, on_true, on_false, *operands)


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, sides: Sides, num_fixed: int
) -> tuple[list[Array], list[Array]]:
    """Differentiates both sides: the derivative is linear in the tangents, whatever they are tangents of."""
    predicate, *operands = primals
    moving = [index for index, tangent in enumerate(tangents[1:]) if not isinstance(tangent, ad.Zero)]

    def derivative(side: "core.ClosedJaxpr") -> Linear:
        def run(fixed: Sequence[Array], moves: Sequence[Array]) -> list[Array]:
            of_moving = _of(_function(side), fixed, moving)
            return jax.jvp(of_moving, tuple(fixed[index] for index in moving), tuple(moves))[1]

        return run

    results = _primitive().bind(*primals, sides=sides, num_fixed=num_fixed)
    on_false, on_true = map(derivative, sides)
    return results, _linear(predicate, on_true, on_false, operands, [tangents[1 + index] for index in moving])


def _transposed(cotangents: Sequence[Any], predicate: Array, *operands: Any, sides: Sides, num_fixed: int) -> list[Any]:
    """Transposes both sides."""
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
            _, pull = jax.vjp(_of(_function(side), whole, moving), *map(ad.zeros_like_aval, types))
            return list(pull(list(moves)))

        return run

    on_false, on_true = map(transpose, sides)
    fixed = [operand for operand in operands if not ad.is_undefined_primal(operand)]
    pulled = iter(_linear(predicate, on_true, on_false, fixed, list(map(ad.instantiate_zeros, cotangents))))
    return [None, *(next(pulled) if index in moving else None for index in range(len(operands)))]


def _batched(
    axis: Any, operands: Sequence[Any], axes: Sequence[Any], *, sides: Sides, num_fixed: int
) -> tuple[list[Array], list[int | None]]:
    """Maps both sides; a mapped predicate makes a choice between their results."""
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
        results = _linear(
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
