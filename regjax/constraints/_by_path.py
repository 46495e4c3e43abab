"""Different constraints for different leaves."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from regjax import masks
from regjax._src import checks
from regjax._src.value import Rules
from regjax.constraints._constraint import Constraint, SingleConstraint


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, repr=False)
class ByPath(Rules, Constraint):
    """A constraint for each pattern; the first pattern that matches a leaf decides."""

    def terms(self) -> tuple[SingleConstraint, ...]:
        """Returns the rules of all patterns, each kept to the leaves where its pattern is the first to match."""
        return tuple(
            dataclasses.replace(term, mask=masks.all_of(first, term.mask))
            for first, constraint in zip(masks.first_match(*self.patterns), self.rules, strict=True)
            if constraint is not None
            for term in constraint.terms()
        )


def by_path(rules: Mapping[Any, Constraint | None]) -> Constraint:
    """Gives each leaf the constraint of the first pattern that matches its path.

    Args:
      rules: from patterns (globs such as `"encoder/**/kernel"`, compiled regular expressions, or anything hashable that
        :func:`regjax.masks.as_mask` takes) to constraints, or to None for leaves that are to be left alone. The order
        counts. Leaves that nothing matches are left alone. The mask of a constraint applies within its pattern.

    Returns:
      A constraint. Using it on a tree in which a pattern matches no floating leaf, or only leaves that earlier patterns
      take, raises a `ValueError` that names the pattern.

    Raises:
      TypeError: if a value is neither a constraint nor None, or a pattern is of a wrong kind.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> rules = regjax.constraints.by_path(
      ...     {
      ...         "embedding": regjax.constraints.max_norm(1.0, axis=1),
      ...         "**/kernel": regjax.constraints.max_norm(2.0),
      ...     }
      ... )
      >>> params = {"embedding": jnp.array([[3.0, 4.0]]), "head": {"kernel": jnp.array([[3.0], [4.0]])}}
      >>> rules.project(params)["embedding"]
      Array([[0.6, 0.8]], dtype=float32)
    """
    checks.mapping("rules", rules)
    for value in rules.values():
        checks.instance("rules", value, Constraint | None, "map patterns to constraints or None")
    masks.first_match(*rules)
    return ByPath(tuple(rules), tuple(rules.values()))
