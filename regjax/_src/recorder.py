"""How a report learns which leaves the transformations inside a wrapper touch.

A transformation tells on initialization which leaves it will touch. Whatever wraps it, `optax.chain`, `masked`,
`partition`, `MultiSteps` or `inject_hyperparams`, calls that initialization with the leaves it lets through, in the
order of the chain; so a report only has to listen.
"""

import contextlib
import contextvars
from collections.abc import Iterator

# From the path of a leaf to what is done to it.
Touched = dict[str, str]

_listener: contextvars.ContextVar[list[Touched] | None] = contextvars.ContextVar("regjax_recorder", default=None)


@contextlib.contextmanager
def listen() -> Iterator[list[Touched]]:
    """Collects what is told within the block."""
    heard: list[Touched] = []
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)


def tell(touched: Touched) -> None:
    """Tells a listener, if there is one, which leaves are touched."""
    heard = _listener.get()
    if heard is not None:
        heard.append(touched)
