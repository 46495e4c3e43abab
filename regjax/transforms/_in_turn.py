"""Moving some leaves by themselves or together with others of their shape, and then the rest."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

import jax
import jax.numpy as jnp

from regjax import masks
from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.sharing import once_per_shape
from regjax._src.tree import align, is_complex
from regjax._src.types import Array, PyTree
from regjax.transforms._updates import aligned, emitted, move_leaf_to, move_to, moves


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
      terms: each term with the places of the leaves that it moves.
      done: the new updates of the leaves that are done, by their places.
    """

    def __init__(self, terms: tuple[Term, ...], updates: PyTree, params: PyTree) -> None:
        self._structure, self.us, self.ps = aligned(updates, params)
        self._updates, self._params = updates, params
        self.paths: list[Any] = self._flat(jax.tree.structure(params).unflatten(leaf_paths(params)))
        # The masks are those of all parameters, also where some of them are done.
        self._masks = [(term, self._flat(masks.resolve(term.mask, params))) for term in terms]
        self.terms = [(term, self._places(chosen)) for term, chosen in self._masks]
        self.done: dict[int, Array] = {}

    def beside(self, name: str, other: PyTree, places: Iterable[int]) -> dict[int, Any]:
        """Returns the leaves of a companion of the parameters at these places; it may lack others."""
        if jax.tree.structure(other) == jax.tree.structure(self._params):
            return dict(enumerate(self._flat(other)))
        found = align(name, other, "params", {self.paths[at]: self.ps[at] for at in places})
        return {at: found[self.paths[at]] for at in places}

    def move(self, places: Iterable[int], operator: Callable[..., Array], *columns: dict[int, Any]) -> None:
        """Moves those of some leaves that are not done to `operator(path, leaf, *companions)`, each by itself.

        All that happens to a leaf is one function, which is traced once for all leaves of a shape.
        """
        left = [at for at in places if at not in self.done]

        def on_leaf(path: str, u: Array, p: Array, *others: Any) -> Array:
            return move_leaf_to(lambda z: operator(path, z, *others), u, p)

        shared = once_per_shape(on_leaf, [self.ps[at] for at in left])
        for at in left:
            self.done[at] = shared(self.paths[at], self.us[at], self.ps[at], *(column[at] for column in columns))

    def move_rest(self, operator: Callable[[Term, PyTree, PyTree], PyTree]) -> None:
        """Moves the leaves that are not done as one tree, by `operator(term, keep, tree)` for each term in turn."""

        def all_terms(tree: PyTree) -> PyTree:
            for term, chosen in self._masks:
                left = [
                    jax.tree.map(lambda yes, skip=at in self.done or u is None: yes and not skip, some)
                    for at, (some, u) in enumerate(zip(chosen, self.us, strict=True))
                ]
                tree = operator(term, self._structure.unflatten(left), tree)
            return tree

        rest = self._flat(move_to(all_terms, self._updates, self._params))
        self.done = dict(enumerate(rest)) | self.done

    def updates(self) -> PyTree:
        """Returns all updates. Those of leaves that no term moves are what they were."""
        return self._structure.unflatten(
            self.done[at] if at in self.done else emitted(jnp.asarray(u), u, p) if moves(u, p) else u
            for at, (u, p) in enumerate(zip(self.us, self.ps, strict=True))
        )

    def _places(self, chosen: list[Any]) -> list[int]:
        places = [at for at, (yes, u) in enumerate(zip(chosen, self.us, strict=True)) if yes is True and u is not None]
        checks.real_leaves([self.paths[at] for at in places if is_complex(self.ps[at])])
        return [at for at in places if moves(self.us[at], self.ps[at])]

    def _flat(self, tree: PyTree) -> list[Any]:
        return self._structure.flatten_up_to(tree)
