"""How a report learns which leaves the transformations inside a wrapper touch.

A transformation tells on initialization which leaves it will touch. Whatever wraps it, `optax.chain`, `masked`,
`partition`, `MultiSteps` or `inject_hyperparams`, calls that initialization with the leaves it lets through, in the
order of the chain; so a report only has to listen.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from regjax._src.shown import plain
from regjax._src.value import Operator, Operators, Value


class Told(NamedTuple):
    """What one transformation does.

    Attributes:
      transform: its name.
      leaves: from the path of each leaf that it touches to the operators that it applies there, if it applies any.
      settings: what else it was made with, as :func:`regjax._src.shown.plain` gives it; schedules as they are.
      rule: the regularizer or the constraint that it applies, in print; "" for others.
      idle: of a rule that leaves all leaves alone, each operator with the paths of the leaves that its mask selects.
    """

    transform: str
    leaves: Mapping[str, Operators]
    settings: Mapping[str, Any]
    rule: str = ""
    idle: tuple[tuple[Operator, tuple[str, ...]], ...] = ()


_listener: contextvars.ContextVar[list[Told] | None] = contextvars.ContextVar("regjax_recorder", default=None)


@contextlib.contextmanager
def listen() -> Iterator[list[Told]]:
    """Collects what is told within the block."""
    heard: list[Told] = []
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)


def tell(
    transform: str,
    leaves: Mapping[str, Operators],
    /,
    rule: Sequence[Value] = (),
    idle: tuple[tuple[Operator, tuple[str, ...]], ...] = (),
    **settings: Any,
) -> None:
    """Tells a listener, if there is one, which leaves are touched."""
    heard = _listener.get()
    if heard is not None:
        known = {name: _setting(value) for name, value in settings.items()}
        heard.append(Told(transform, leaves, known, "; ".join(map(repr, rule)), idle))


def _setting(value: Any) -> Any:
    return value if callable(value) else plain(value)
