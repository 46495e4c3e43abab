"""What early stopping is told."""

from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.checks._kinds import instance
from regjax._src.checks._numbers import at_least, scalar
from regjax._src.checks._trees import same_structure


def count(name: str, value: Any) -> None:
    """Checks a number of updates; an array of integers may be traced, and so mapped over."""
    if isinstance(value, jax.Array):
        if not jnp.issubdtype(value.dtype, jnp.integer):
            raise TypeError(f"`{name}` must be an integer, got an array of dtype {value.dtype}")
        scalar(name, value)
    else:
        at_least(name, value, 0)


def value_given(value: Any) -> None:
    """Checks that an update got the metric."""
    if value is None:
        raise ValueError(
            "`value` must be given to `update`: call `optimizer.update(updates, state, params, value=loss)`, got None"
        )


def params_to_keep(where: str, params: Any) -> None:
    """Checks that there is something to keep."""
    if params is None:
        raise ValueError(f"`params` must be given to `{where}` where `keep_best` is True, got None")


def same_arrays(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure, shapes and dtypes, so that one may take the other's place."""
    same_structure(name, got, of, expected)
    for leaf, wanted in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        array = jnp.asarray(leaf)
        if (array.shape, array.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"`{name}` must have the shapes and dtypes of `{of}`,"
                f" got {array.dtype}{list(array.shape)} for {wanted.dtype}{list(wanted.shape)}"
            )


def stopping(value: Any, kind: Any) -> None:
    """Checks the argument of a transformation made of a stopping rule."""
    instance("stopping", value, kind, "be a rule such as `regjax.stopping.early_stopping(patience=5)`")
