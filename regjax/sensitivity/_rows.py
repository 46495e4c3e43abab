"""Functions that map a batch row by row, and their derivatives."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from regjax._src import checks
from regjax._src.shards import varying_like
from regjax._src.types import Array, PyTree


class Reverse(NamedTuple):
    r"""A function at a point, with its derivative in reverse.

    Attributes:
      output: what the function returns, `[batch, ...]`.
      pull: :math:`u \mapsto J^\top u` for each example; it takes any floating dtype.
      aux: what the function returns beside it, or None.
    """

    output: Array
    pull: Callable[[Array], Array]
    aux: PyTree


def row_function(fn: Callable[..., Any], num_examples: int, has_aux: bool) -> Callable[[Array], tuple[Array, PyTree]]:
    """Returns a function that checks what `fn` returns and makes a pair of it."""
    checks.function("fn", fn, of="a batch")

    def checked(x: Array) -> tuple[Array, PyTree]:
        output, aux = checks.pair(fn(x)) if has_aux else (fn(x), None)
        return checks.rows(output, num_examples), aux

    return checked


def reverse(fn: Callable[..., Any], x: Array, has_aux: bool) -> Reverse:
    """Evaluates a function and prepares its derivative."""
    output, pull, aux = jax.vjp(row_function(fn, x.shape[0], has_aux), x, has_aux=True)
    return Reverse(output, lambda u: pull(varying_like(u.astype(output.dtype), output))[0], aux)


def transpose(function: Callable[[Array], Array], like: Array, result: Array) -> Callable[[Array], Array]:
    r"""Returns :math:`v \mapsto J v` for a given :math:`u \mapsto J^\top u`.

    Forward mode would give the same, but not through functions of `jax.custom_vjp`.

    Args:
      function: a linear function.
      like: an array like its argument.
      result: an array like its result.
    """
    pushed = jax.linear_transpose(function, like)
    return lambda v: pushed(varying_like(v, result))[0]


def row_axes(x: Array) -> tuple[int, ...]:
    """Returns all axes but that of the examples."""
    return tuple(range(1, x.ndim))
