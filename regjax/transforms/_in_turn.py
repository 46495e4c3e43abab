"""Moving some leaves by themselves and the rest as one tree."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import jax

from regjax import masks
from regjax._src.paths import leaf_paths
from regjax._src.types import Array, PyTree
from regjax.transforms._updates import aligned, move_to


class Masked(Protocol):
    """A rule for the leaves of a mask."""

    @property
    def mask(self) -> Any:
        """Which leaves."""
        ...


Term = TypeVar("Term", bound=Masked)


class InTurn(Generic[Term]):
    """Updates and parameters, the terms that act on them, and which leaves are done.

    Attributes:
      us: the updates, None where a leaf has none.
      ps: the parameters.
      paths: where they are.
      terms: each term with True for every leaf that its mask selects.
      done: the new updates of the leaves that are done, by their places.
    """

    def __init__(self, terms: tuple[Term, ...], updates: PyTree, params: PyTree) -> None:
        self._structure, self.us, self.ps = aligned(updates, params)
        self._updates, self._params = updates, params
        self.paths: list[Any] = self._flat(jax.tree.structure(params).unflatten(leaf_paths(params)))
        # The masks are those of all parameters, also where some of them are done.
        self.terms = [(term, self._flat(masks.resolve(term.mask, params))) for term in terms]
        self.done: dict[int, Array] = {}

    def move_rest(self, operator: Callable[[Term, PyTree, PyTree], PyTree]) -> PyTree:
        """Returns all updates, those that are not done by `operator(term, keep, tree)` for one term after the other."""

        def all_terms(tree: PyTree) -> PyTree:
            for term, chosen in self.terms:
                left = [
                    jax.tree.map(lambda yes, skip=at in self.done or u is None: yes and not skip, some)
                    for at, (some, u) in enumerate(zip(chosen, self.us, strict=True))
                ]
                tree = operator(term, self._structure.unflatten(left), tree)
            return tree

        rest = self._flat(move_to(all_terms, self._updates, self._params))
        return self._structure.unflatten([self.done.get(at, u) for at, u in enumerate(rest)])

    def _flat(self, tree: PyTree) -> list[Any]:
        return self._structure.flatten_up_to(tree)
