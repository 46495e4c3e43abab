"""Regularizers and what is made of them."""

from typing import Any

import jax
import numpy as np

from regjax._src.checks._kinds import instance


def regularizer(value: Any, kind: Any) -> None:
    """Checks the argument of a transformation made of a regularizer."""
    instance("regularizer", value, kind, "be a regularizer such as `regjax.regularizers.l1(1e-3)`")


def has_prox(name: str, there_is_one: bool) -> None:
    """Checks that a regularizer can take a proximal step."""
    if not there_is_one:
        raise TypeError(f"`regularizer` must have a proximal operator, got {name}, which is a penalty only")


def has_gradient(name: str) -> None:
    """Refuses the penalty whose gradient is zero everywhere, and the one of outputs."""
    if name == "l0":
        raise ValueError("`regularizer` must have a gradient, got l0: use `proximal_step` for it")
    if name == "activity":
        raise ValueError(
            "`regularizer` must be a penalty of parameters, got activity, which is one of outputs: add it to the loss"
        )


def has_init(value: Any) -> None:
    """Checks that something can be described."""
    if not callable(getattr(value, "init", None)):
        raise TypeError(
            f"`rule_or_transform` must be a regularizer, a constraint, a mask or an optimizer, got {value!r}"
        )


def params_given(params: Any) -> None:
    """Checks that an update got the parameters."""
    if params is None:
        raise ValueError(
            "`params` must be given to `update`: call `optimizer.update(updates, state, params)`, got None"
        )


def update_fits(update: Any, param: Any) -> None:
    """Checks an update against its parameter; None is an update that is not there."""
    if update is not None and (len(jax.tree.leaves(param)) != 1 or np.shape(update) != np.shape(param)):
        got = np.shape(param) if len(jax.tree.leaves(param)) == 1 else jax.tree.structure(param)
        raise ValueError(f"`updates` must have the structure and shapes of `params`, got {np.shape(update)} for {got}")
