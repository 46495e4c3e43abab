"""What a stochastic layer decides before it draws, in Linen and NNX alike."""

import contextlib
import contextvars
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, Key, PyTree, Scalar

# None says that somebody else decides.
Flag: TypeAlias = bool | Array | None
# A static rate of 1 drops everything and draws nothing; as in Flax, no key is asked for.
DRAWLESS = (0.0, 1.0)

_all_on: contextvars.ContextVar[bool] = contextvars.ContextVar("regjax_all_on", default=False)


@contextlib.contextmanager
def all_on() -> Iterator[None]:
    """Switches every layer on within the block, whatever it is told."""
    token = _all_on.set(True)
    try:
        yield
    finally:
        _all_on.reset(token)


def first(call: Any, layer: Any) -> Any:
    """Returns what the call says, and what the layer says where the call says nothing."""
    return layer if call is None else call


def is_off(amount: Scalar, call: Flag, layer: Flag, *, name: str = "rate") -> bool | Array:
    """Returns whether a layer is deterministic, which an amount of 0 makes it whatever is said."""
    checks.amount(name, amount)
    if random.settled(amount, 0.0):
        return True
    if _all_on.get():
        return False
    chosen = first(call, layer)
    checks.deterministic(chosen)
    return chosen if isinstance(chosen, jax.Array) else bool(chosen)


def key_for(amount: Scalar, draw_key: Callable[[], Key], drawless: tuple[float, ...] = DRAWLESS) -> Key:
    """Draws a key, unless the amount is one at which nothing is random."""
    return jax.random.key(0) if random.settled(amount, *drawless) else draw_key()


def perturb(
    function: Callable[[Key, PyTree, Scalar], PyTree],
    draw_key: Callable[[], Key],
    inputs: PyTree,
    amount: Scalar,
    off: bool | Array,
    *,
    drawless: tuple[float, ...] = DRAWLESS,
) -> PyTree:
    """Returns `function(key, inputs, amount)`, or the inputs where the layer is off; `off` may be traced."""
    if off is True:
        return inputs
    outputs = function(key_for(amount, draw_key, drawless), inputs, amount)
    if off is False:
        return outputs
    return jax.tree.map(lambda before, after: jnp.where(off, before, after), inputs, outputs)


def effective_rate(rate: Scalar, off: bool | Array) -> Scalar:
    """Returns the rate of a layer that is off with rate 0; `off` may be traced."""
    if isinstance(off, bool):
        return 0.0 if off else rate
    return jnp.where(off, 0.0, random.probability(rate))


def passed_on(inner: Any, deterministic: Flag) -> dict[str, Any]:
    """Returns the keyword arguments by which a wrapper tells the layer inside what it was told itself."""
    if deterministic is None or "deterministic" not in inspect.signature(type(inner).__call__).parameters:
        return {}
    return {"deterministic": deterministic}
