"""What a transformation tells a report about the leaves that it touches."""

from collections.abc import Iterable

from regjax import masks
from regjax._src.recorder import Touched
from regjax._src.types import PyTree
from regjax._src.value import Value


def touched_by(terms: Iterable[Value], params: PyTree, name: str) -> Touched:
    """Returns for each leaf that a rule touches what the transformation `name` does to it.

    Resolving the masks is also what makes a pattern that matches nothing fail on initialization already.
    """
    return {
        path: f"{name}: {text}"
        for term in terms
        for path, text in term.touched(masks.resolve(term.mask, params), params).items()
    }
