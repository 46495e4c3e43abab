"""A module with other parameters, for the time of a call."""

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import jax
from flax import nnx

from regjax._src.types import PyTree


def _value(node: Any) -> list[Any]:
    """Returns the arrays of a variable, which need not be one array."""
    return jax.tree.leaves(node)


def _same(before: list[Any], after: list[Any]) -> bool:
    return len(before) == len(after) and all(map(operator.is_, before, after))


@contextlib.contextmanager
def replaced_params(module: nnx.Module, params: PyTree) -> Iterator[Any]:
    """Yields a copy of a module that has other parameters, and brings home what else has changed in it.

    Writing the parameters into the module itself and back again would fail in transformations that close over it, and
    would leave them there if the call failed.

    Args:
      module: the module, which keeps its own parameters.
      params: the new parameters, as the pure dict of its state.
    """
    graph, own, others = nnx.split(module, nnx.Param, ...)
    before = {path: _value(node) for path, node in nnx.to_flat_state(others)}
    nnx.replace_by_pure_dict(own, params)
    copy = nnx.merge(graph, own, others)
    yield copy
    after = nnx.to_flat_state(nnx.state(copy, nnx.Not(nnx.Param)))
    changed = [(path, node) for path, node in after if path not in before or not _same(before[path], _value(node))]
    if changed:
        nnx.update(module, nnx.from_flat_state(changed))
