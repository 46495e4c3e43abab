"""What a transformation tells a report about the leaves that it touches."""

from collections.abc import Iterable
from typing import Any

from regjax import masks
from regjax._src import recorder
from regjax._src.types import PyTree
from regjax._src.value import Value


def tell(name: str, terms: Iterable[Value], params: PyTree, **settings: Any) -> None:
    """Tells a report, if one listens, which leaves the transformation `name` touches by which operators.

    Resolving the masks is also what makes a pattern that matches nothing fail on initialization already.
    """
    touched = [term.touched(masks.resolve(term.mask, params), params) for term in terms]
    leaves = {path: operators for some in touched for path, operators in some.items()}
    recorder.tell(name, leaves, **settings)
