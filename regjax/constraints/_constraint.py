"""What a constraint is."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.numpy as jnp

from regjax import masks, projections
from regjax._src import checks
from regjax._src.numerics import widen
from regjax._src.tree import is_floating, merge
from regjax._src.types import Array, PyTree
from regjax._src.value import Value, same_shape
from regjax.projections._norm_targets import NORM_TARGETS


class Constraint(abc.ABC):
    """A projection with its bound and its mask, as one immutable value.

    It is a pytree whose leaves are its bounds: it goes through `jit` as an argument and is mapped over by `vmap`. It is
    not callable, so Optax does not take it for a schedule.

    Make one with :func:`regjax.constraints.max_norm` and its siblings, or several for different leaves with
    :func:`regjax.constraints.by_path`.
    """

    if not TYPE_CHECKING:  # type checkers would believe in every attribute

        def __getattr__(self, name: str) -> NoReturn:
            """Says what is missing where Optax takes the constraint for a transformation."""
            checks.no_transformation(self, name, "constraint", "`regjax.transforms.project(constraint)`")

    @abc.abstractmethod
    def terms(self) -> tuple["SingleConstraint", ...]:
        """Returns the single rules that it is made of; no leaf belongs to two of them."""

    def project(self, params: PyTree) -> PyTree:
        """Returns the nearest parameters that satisfy the constraint; leaves that no mask selects stay as they are.

        Args:
          params: a tree of parameters.

        Returns:
          A tree like `params`, in structure, shapes and dtypes.

        Raises:
          ValueError: if a mask does not fit `params`, or an axis is out of range for a leaf.
        """
        for term in self.terms():
            params = term.own_projection(params)
        return params

    def violation(self, params: PyTree) -> Array:
        """Returns how far the projection would move the entry that it moves farthest.

        Args:
          params: a tree of parameters.

        Returns:
          A scalar in float32; 0 where `params` satisfy the constraint, to the rounding of their dtype.

        Raises:
          ValueError: if a mask does not fit `params`, or an axis is out of range for a leaf.
        """
        wide = jax.tree.map(lambda leaf: widen(jnp.asarray(leaf)) if is_floating(leaf) else leaf, params)
        moves = [
            jnp.max(jnp.where(after == before, 0, jnp.abs(after - before)), initial=0).astype(jnp.float32)
            for before, after in zip(jax.tree.leaves(wide), jax.tree.leaves(self.project(wide)), strict=True)
            if after is not before  # a leaf that no mask selects is passed on as it is
        ]
        return jnp.max(jnp.stack(moves)) if moves else jnp.zeros((), jnp.float32)


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SingleConstraint(Value, Constraint):
    """One projection on the leaves of one mask. Its name is the name of its function."""

    def terms(self) -> tuple["SingleConstraint", ...]:
        """Returns itself."""
        return (self,)

    def own_projection(self, params: PyTree) -> PyTree:
        """Returns the parameters with the leaves of the mask projected."""
        return self.projection_of_selected(masks.resolve(self.mask, params), params)

    def projection_of_selected(self, keep: PyTree, params: PyTree) -> PyTree:
        """Returns the parameters with the leaves projected where `keep` is True."""
        chosen = jax.tree.map(lambda yes, leaf: leaf if yes else None, keep, params)
        return merge(getattr(projections, self.name)(chosen, **self.keywords), params)

    def projection_of_leaf(self, path: str, leaf: Array) -> Array:
        """Returns one leaf projected."""
        return getattr(projections, self.name)({path: leaf}, **self.keywords)[path]

    def norm_target(self) -> Callable[[Array], Array] | None:
        """Returns what norm a unit of some norm gets, or None if the projection does more than rescale units."""
        target = NORM_TARGETS.get(self.name)
        numbers = {name: value for name, value in self.keywords.items() if name != "axis"}
        return target and functools.partial(target, **numbers)


def make(name: str, numbers: Mapping[str, Any], mask: Any, /, **options: Any) -> Constraint:
    """Returns the constraint of that name; numbers may be arrays that are to be mapped over."""
    if "axis" in options:
        options["axis"] = checks.hashable_axis(options["axis"], auto=name.endswith("norm"))
    return SingleConstraint(name, same_shape(numbers), tuple(options.items()), masks.as_mask(mask))
