"""Rules that move nothing."""

from collections.abc import Iterator, Sequence

from regjax._src.value import Operator
from regjax.diagnostics._inside import Part
from regjax.diagnostics._known import listed, name_of, on_leaves


def moves_nothing(part: Part, others: Sequence[Part]) -> Iterator[str]:
    """Says that a rule leaves all leaves alone that it is given, and why."""
    told = part.told
    # An optimizer made for several parts of a tree has its rule in all of them.
    alike = [other for other in others if (name_of(other), other.told.rule) == (name_of(part), told.rule)]
    if not told.idle or any(other.told.leaves for other in alike):
        return
    whys = list(dict.fromkeys(_why(operator, paths) for operator, paths in told.idle))
    why, mend = whys[0] if len(whys) == 1 else ("they leave these alone", "give them other leaves")
    onto = "onto" if name_of(part) == "project" else "of"
    names = listed(operator.name for operator, _ in told.idle)
    paths = [path for path in dict.fromkeys(path for _, some in told.idle for path in some) if path]
    where = on_leaves(paths) if paths else ""
    yield f"`{told.transform}` {onto} {names} moves no leaf, because {why}: {mend}{where}"


def _why(operator: Operator, paths: Sequence[str]) -> tuple[str, str]:
    """Returns why an operator moves none of the leaves that its mask selects, and what to do."""
    stacked = operator.arguments.get("stacked_axes")
    if not paths:
        return "its mask selects none", "give it other leaves"
    if stacked is None:
        return "it leaves arrays with fewer than 2 axes alone with axis='auto'", "give it other leaves, or an axis"
    given = f" with stacked_axes={stacked}" if stacked else ""
    return f"it leaves arrays with fewer than {2 + stacked} axes alone{given}", "give it other leaves"
