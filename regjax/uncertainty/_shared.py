"""Splits a stochastic pass into what all passes share and what depends on the key."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.core import eval_jaxpr

from regjax._src.types import Key, PyTree

# At run time this import would take as long as all rooms of this library together.
if TYPE_CHECKING:
    from jax.extend import core

# Computed where they are used: what they return is larger than what they read.
_EXPANDING = ("broadcast_in_dim", "iota")


class _Unknown:
    """Stands for a value that depends on the key."""


class _Equation(NamedTuple):
    """An equation of a jaxpr with values for its operands."""

    jaxpr: "core.Jaxpr"
    equation: "core.JaxprEqn"
    operands: list[Any]


class _Expansion(NamedTuple):
    """Stands for a value that is cheaper to compute than to keep."""

    source: _Equation


class _Step(NamedTuple):
    """An equation that depends on the key."""

    source: _Equation
    results: list[_Unknown]


class Pass(NamedTuple):
    """A stochastic pass that was traced.

    Attributes:
      jaxpr: the pass as a function of its key, which returns a list of arrays.
      shapes: what it returns, as a tree of shapes and dtypes.
    """

    jaxpr: "core.ClosedJaxpr"
    shapes: PyTree

    def share(self, consts: Sequence[Any]) -> Callable[[Key], PyTree]:
        """Computes what all passes share, from the arrays that the pass closes over, and returns the rest of it."""
        rest, structure = share(self.jaxpr.jaxpr, consts), jax.tree.structure(self.shapes)
        return lambda key: structure.unflatten(rest(key))


def trace(one_pass: Callable[[Key], PyTree], key: Key) -> Pass:
    """Traces a pass once."""
    return Pass(*jax.make_jaxpr(one_pass, return_shape=True)(key))


def share(jaxpr: "core.Jaxpr", consts: Sequence[Any]) -> Callable[[Key], list[Any]]:
    """Computes what does not depend on the key, and returns a function of the key that computes the rest.

    XLA moves what a loop computes anew in every step to the front of it on a CPU, but not on a GPU, and not out of a
    gradient. What lies inside of loops, conditionals, checkpoints and functions with derivatives of their own is not
    split, nor is what has effects.

    Args:
      jaxpr: a pass as a function of its key.
      consts: the arrays that it closes over.
    """
    root, steps = _Unknown(), []
    outputs = _walk(jaxpr, consts, [root], steps)

    def finish(key: Key) -> list[Any]:
        known: dict[_Unknown, Any] = {root: key}

        def read(value: Any) -> Any:
            return known[value] if isinstance(value, _Unknown) else _settled(value)

        for step in steps:
            results = _evaluate(step.source._replace(operands=[read(value) for value in step.source.operands]))
            known.update(zip(step.results, results, strict=True))
        return [read(output) for output in outputs]

    return finish


def _walk(jaxpr: "core.Jaxpr", consts: Sequence[Any], inputs: Sequence[Any], steps: list[_Step]) -> list[Any]:
    """Computes the equations that need nothing unknown, and appends the others to `steps`."""
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

    def read(atom: Any) -> Any:
        # A Python number would take its dtype anew.
        return np.asarray(atom.val, atom.aval.dtype) if _is_literal(atom) else values[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        source = _Equation(jaxpr, equation, operands)
        unknown = bool(equation.effects) or any(isinstance(operand, _Unknown) for operand in operands)
        if unknown and _is_open(equation, operands):
            inner = equation.params["jaxpr"]
            results = _walk(inner.jaxpr, inner.consts, operands, steps)
        elif unknown:
            results = [_Unknown() for _ in equation.outvars]
            steps.append(_Step(source, results))
        elif equation.primitive.name in _EXPANDING:
            results = [_Expansion(source)]
        else:
            results = _evaluate(source)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_open(equation: "core.JaxprEqn", operands: Sequence[Any]) -> bool:
    """Tells whether an equation is a `jax.jit` that may be taken apart, and in which arrays may be known."""
    params = equation.params
    if equation.primitive.name not in ("jit", "pjit"):
        return False
    if any(isinstance(s, jax.sharding.Sharding) for s in (*params["in_shardings"], *params["out_shardings"])):
        return False
    return bool(params["jaxpr"].consts) or any(
        isinstance(operand, _Expansion) or (not isinstance(operand, _Unknown) and np.ndim(operand) > 0)
        for operand in operands
    )


def _is_literal(atom: Any) -> bool:
    """Tells whether an operand is a number that stands in the jaxpr itself."""
    return hasattr(atom, "val")


def _settled(value: Any) -> Any:
    """Returns the value that is stood for."""
    return _evaluate(value.source)[0] if isinstance(value, _Expansion) else value


def _evaluate(source: _Equation) -> list[Any]:
    """Runs one equation."""
    jaxpr, equation, operands = source
    variables: dict[Any, Any] = {
        atom: _settled(operand)
        for atom, operand in zip(equation.invars, operands, strict=True)
        if not _is_literal(atom)
    }
    alone = jaxpr.replace(
        constvars=[], invars=list(variables), outvars=equation.outvars, eqns=[equation], effects=equation.effects
    )
    return eval_jaxpr(alone, (), *variables.values())
