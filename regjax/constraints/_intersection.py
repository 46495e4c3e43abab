"""Several constraints on the same leaves."""

import dataclasses
import functools
from typing import Any

import jax

from regjax import masks, projections
from regjax._src import checks
from regjax._src.types import Array, PyTree
from regjax._src.value import Operators, same_shape
from regjax.constraints._constraint import Constraint, SingleConstraint


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Intersection(SingleConstraint):
    """A term whose numbers are constraints, each with its own mask within that of the term."""

    def members(self) -> tuple[SingleConstraint, ...]:
        """Returns the terms of one projection each, which may share leaves."""
        whole = self.mask == masks.as_mask(None)
        return tuple(
            member if whole else dataclasses.replace(member, mask=masks.all_of(self.mask, member.mask))
            for _, constraint in self.numbers
            for term in constraint.terms()
            for member in (term.members() if isinstance(term, Intersection) else (term,))
        )

    def projection_of_selected(self, keep: PyTree, params: PyTree) -> PyTree:
        """Returns the parameters after Dykstra's method on the leaves that several members share."""
        del keep  # the masks of the members are within that of the term
        members = self.members()
        acting = [member.acts_on(masks.resolve(member.mask, params), params) for member in members]
        leaves, structure = jax.tree.flatten(params)
        shared = [at for at, column in enumerate(zip(*acting, strict=True)) if sum(column) > 1]

        def on_shared(member: SingleConstraint, points: list[Array]) -> list[Array]:
            replaced = dict(zip(shared, points, strict=True))
            tree = structure.unflatten([replaced.get(at, leaf) for at, leaf in enumerate(leaves)])
            moved = jax.tree.leaves(member.own_projection(tree))
            return [moved[at] for at in shared]

        # A leaf of one member needs no iterations.
        moved = jax.tree.leaves(functools.reduce(lambda tree, member: member.own_projection(tree), members, params))
        if shared:
            functions = [
                functools.partial(on_shared, member)
                for member, acts in zip(members, acting, strict=True)
                if any(acts[at] for at in shared)
            ]
            count = self.keywords["num_iterations"]
            points = projections.intersection([leaves[at] for at in shared], functions, num_iterations=count)
            for at, point in zip(shared, points, strict=True):
                moved[at] = point
        return structure.unflatten(moved)

    def touched(self, chosen: PyTree, params: PyTree) -> dict[str, Operators]:
        """Returns for the path of every leaf the members that act on it."""
        del chosen  # the masks of the members are within that of the term
        found: dict[str, Operators] = {}
        for member in self.members():
            for path, operators in member.touched(masks.resolve(member.mask, params), params).items():
                found[path] = found.get(path, ()) + operators
        return found

    def text(self) -> str:
        """Returns how it would be made, without the mask."""
        members = ", ".join(repr(constraint) for _, constraint in self.numbers)
        return f"{self.name}({members}, num_iterations={self.keywords['num_iterations']})"


def intersection(*constraints: Constraint, num_iterations: int = 100, mask: Any = None) -> Constraint:
    r"""Makes one constraint of several that hold on the same leaves.

    .. math::

      w \in C_1 \cap \dots \cap C_m

    Where only one of the constraints acts on a leaf, its projection is all that happens. Where several do, the leaf
    moves to the nearest point that satisfies them all, by Dykstra's method: the last constraint then holds exactly and
    the others to what `num_iterations` passes leave, which :func:`regjax.projections.intersection` tells; each pass
    costs one projection for each constraint. Put `non_negative` first and a ball about 0 such as `max_norm` last: this
    order is exact with `num_iterations=1`.

    Args:
      *constraints: constraints on convex sets that have a point in common, each with its own mask. `unit_norm` and
        `orthogonal` are not convex, nor is `min_max_norm`, whose convex half is `max_norm`.
      num_iterations: how often each constraint is projected on, >= 1.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes. The masks of `constraints` apply within it.

    Returns:
      An immutable value with `project(params)` and `violation(params)`.

    Raises:
      TypeError: if an argument is no constraint, `num_iterations` is no Python integer, or `mask` is of a wrong kind.
      ValueError: if there is no constraint, one is not convex, or `num_iterations` is not positive.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> both = regjax.constraints.intersection(
      ...     regjax.constraints.non_negative(), regjax.constraints.max_norm(1.0), num_iterations=1
      ... )
      >>> both
      intersection(non_negative(), max_norm(bound=1.0, axis='auto'), num_iterations=1)
      >>> both.project({"kernel": jnp.array([[3.0], [4.0], [-12.0]])})["kernel"].ravel()
      Array([0.6, 0.8, 0. ], dtype=float32)
    """
    checks.together(constraints, Constraint)
    options = (("num_iterations", checks.at_least("num_iterations", num_iterations, 1)),)
    # Bounds that are mapped over need the others repeated, as the two bounds of one constraint do.
    bounds, structure = jax.tree.flatten(constraints)
    repeated = structure.unflatten([bound for _, bound in same_shape({str(i): b for i, b in enumerate(bounds)})])
    numbers = tuple((str(index), constraint) for index, constraint in enumerate(repeated))
    result = Intersection("intersection", numbers, options, masks.as_mask(mask))
    for member in result.members():
        checks.convex(member.name)
    return result
