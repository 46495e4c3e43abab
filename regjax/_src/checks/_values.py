"""Regularizers and what is made of them."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._kinds import instance
from regjax._src.checks._lists import shown
from regjax._src.checks._numbers import at_least


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
    of_parameters(name)


def of_parameters(name: str) -> None:
    """Refuses the penalty of outputs."""
    if name == "activity":
        raise ValueError(
            "`regularizer` must be a penalty of parameters, got activity, which is one of outputs: add it to the loss"
        )


def no_transformation(value: Any, attribute: str, kind: str, call: str) -> None:
    """Says how to make a transformation of a rule, where somebody asks the rule for what only those have.

    For all other attributes the message is that of Python. Either is an `AttributeError`, so that `hasattr` is False.
    """
    if attribute in {"init", "update"}:
        raise AttributeError(f"`optimizer` must be made of transformations, got a {kind} by itself: write {call}")
    raise AttributeError(f"{type(value).__name__!r} object has no attribute {attribute!r}", name=attribute, obj=value)


def optimizer(value: Any) -> None:
    """Checks what a transformation wraps."""
    if not (callable(getattr(value, "init", None)) and callable(getattr(value, "update", None))):
        raise TypeError(f"`optimizer` must be an Optax optimizer such as `optax.adam(1e-3)`, got {shown(value)}")


def metric_reader(value: Any) -> None:
    """Checks how a transformation is told the metric of an optimizer."""
    if str(getattr(value, "__module__", "")).startswith("regjax.transforms.") and not hasattr(value, "diagonal"):
        raise TypeError(f"`metric` must be called, `{value.__name__}()`, got the function itself")
    is_array = isinstance(value, jax.Array | np.ndarray)  # they have a method `diagonal`
    if is_array or (value != "identity" and not callable(getattr(value, "diagonal", value))):
        raise TypeError(
            '`metric` must be "identity", a metric such as `regjax.transforms.adam_metric()` or a function of the state'
            f" of `optimizer`, got {shown(value)}"
        )


def one_state(kinds: Sequence[str], found: int) -> None:
    """Checks that a metric finds the state it reads; one of many could not be told from the others."""
    if found != 1:
        raise ValueError(f"`metric` must find one {' or '.join(kinds)} in the state of `optimizer`, got {found}")


def no_metric_of_its_own(metric: str, has_one: bool) -> None:
    """Refuses the identity as the metric of an optimizer that is known to have another."""
    if has_one:
        raise ValueError(f'`metric` must be `{metric}` for this `optimizer`, got "identity"')


def no_sign_method(is_one: bool) -> None:
    """Refuses an optimizer that has no metric."""
    if is_one:
        raise ValueError("`optimizer` must step in a metric, got Lion, which steps by the sign of the gradient")


def in_a_metric(name: str) -> None:
    """Refuses operators that only know the Euclidean distance."""
    if name == "nuclear":
        raise TypeError(
            "`regularizer` must have a proximal operator in the metric of the optimizer, got nuclear: it has one for"
            " `proximal_sgd`"
        )


def one_momentum(momentum: Any, nesterov: bool, accelerated: bool) -> None:
    """Refuses a second momentum beside that of acceleration, and a kind of momentum without any."""
    if accelerated and momentum is not None:
        raise ValueError(f"`momentum` must be None with `accelerated=True`, which has its own, got {shown(momentum)}")
    if nesterov and momentum is None:
        raise ValueError("`nesterov` must be False without `momentum`, got True")


def one_variant(nesterov: bool, amsgrad: bool) -> None:
    """Refuses a combination that Optax does not have."""
    if nesterov and amsgrad:
        raise ValueError("`nesterov` must be False with `amsgrad=True`, got True")


def mask_of_decay(mask: Any, weight_decay: Any) -> None:
    """Refuses a mask that has nothing to select for; the penalty has one of its own."""
    if mask is not None and weight_decay is None:
        raise ValueError(f"`mask` must be None without `weight_decay`, whose leaves it selects, got {shown(mask)}")


def has_init(value: Any) -> None:
    """Checks that something can be described."""
    if not callable(getattr(value, "init", None)):
        raise TypeError(
            "`rule_or_transform` must be a regularizer, a constraint, a mask or an optimizer of Optax "
            f"(of Flax's it is `tx`), got {shown(value)}"
        )


def step_shown(value: Any) -> int:
    """Returns the step at which schedules are asked; that of a state is an array."""
    in_array = (
        isinstance(value, jax.Array | np.ndarray) and value.shape == () and jnp.issubdtype(value.dtype, jnp.integer)
    )
    return at_least("step", int(value) if in_array else value, 0)


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
