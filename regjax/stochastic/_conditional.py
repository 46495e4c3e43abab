"""A conditional whose gradient takes what its branch was given from where it is, and keeps only what it computed.

In reverse mode, `jax.lax.cond` makes a result of the forward conditional of every value that the backward one needs.
Among these are its own operands, such as the kernels of the branch: they are copied where the branch is computed, and
written as zeros where it is not. Of `x + relu(x @ first) @ second`, for 3 rows of 4 and 50 hidden units, it returns

========================  =====================================  ========================
what                      by `jax.lax.cond`                      here
========================  =====================================  ========================
the sum                   ``[3, 4]``                             ``[3, 4]``
computed in the branch    three of ``[3, 50]``                   two of ``[3, 50]``
`first`, `second`, `x`    ``[4, 50]``, ``[50, 4]``, ``[3, 4]``   none
========================  =====================================  ========================

where the second line is up to the policy of a checkpoint, which is that of mode "skip" here.

So the branch is split into its result and its derivative, a linear function (:func:`_split`). The forward conditional
computes the result, and what the derivative needs and is no operand. The derivative is a conditional too, which takes
operands from where they are (:mod:`regjax.stochastic._linear_conditional`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.custom_derivatives import SymbolicZero
from jax.interpreters import ad

from regjax._src.types import Array
from regjax.stochastic._linear_conditional import linear_conditional, of_some

# At run time this import would take as long as all rooms of this library together.
if TYPE_CHECKING:
    from jax.extend import core

Function = Callable[..., Array]


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
    its derivative, which `jax.lax.cond` would take for zero. So all compute it, or none; and a derivative that is not
    finite spreads.
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
        of_moving = of_some(dropped, fixed[: len(operands)], moving)
        return [jax.jvp(of_moving, tuple(fixed[index] for index in moving), tuple(moves))[1]]

    result, computed = jax.lax.cond(predicate, kept_split, dropped_split, *operands)
    moves = [tangents[index] for index in moving]
    (move,) = linear_conditional(predicate, kept_tangent, dropped_tangent, [*operands, *computed], moves)
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
        of_moving = of_some(function, operands, moving)
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
