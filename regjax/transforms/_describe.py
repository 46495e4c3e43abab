"""What a transformation tells a report about the leaves that it touches."""

from collections.abc import Sequence
from typing import Any

import jax

from regjax import masks
from regjax._src import recorder
from regjax._src.paths import leaf_paths
from regjax._src.tree import floating_paths
from regjax._src.types import PyTree
from regjax._src.value import Value


def tell(name: str, terms: Sequence[Value], params: PyTree, **settings: Any) -> None:
    """Tells a report, if one listens, which leaves the transformation `name` touches by which operators.

    Resolving the masks is also what makes a pattern that matches nothing fail on initialization already.
    """
    touched = [term.touched(masks.resolve(term.mask, params), params) for term in terms]
    leaves = {path: operators for some in touched for path, operators in some.items()}
    # Where a wrapper lets no leaf through there is nothing to tell.
    idle = [] if leaves or not floating_paths(params) else [member for term in terms for member in term.members()]
    recorder.tell(
        name,
        leaves,
        rule=terms,
        idle=tuple((member.operator(), _selected(member, params)) for member in idle),
        **settings,
    )


def _selected(member: Value, params: PyTree) -> tuple[str, ...]:
    chosen = jax.tree.leaves(masks.resolve(member.mask, params))
    return tuple(path for path, yes in zip(leaf_paths(params), chosen, strict=True) if yes)
