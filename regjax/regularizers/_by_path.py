"""Different regularizers for different leaves."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from regjax import masks
from regjax._src import checks
from regjax._src.value import Rules
from regjax.regularizers._regularizer import Regularizer, SingleRegularizer


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, repr=False)
class ByPath(Rules, Regularizer):
    """A regularizer for each pattern; the first pattern that matches a leaf decides."""

    def terms(self) -> tuple[SingleRegularizer, ...]:
        """Returns the rules of all patterns, each kept to the leaves where its pattern is the first to match."""
        return tuple(
            dataclasses.replace(term, mask=masks.all_of(first, term.mask))
            for first, regularizer in zip(masks.first_match(*self.patterns), self.rules, strict=True)
            if regularizer is not None
            for term in regularizer.terms()
        )


def by_path(rules: Mapping[Any, Regularizer | None]) -> Regularizer:
    """Gives each leaf the regularizer of the first pattern that matches its path.

    Args:
      rules: from patterns (globs such as `"encoder/**/kernel"`, compiled regular expressions, or anything hashable that
        :func:`regjax.masks.as_mask` takes) to regularizers, or to None for leaves that are to be left alone. The order
        counts. Leaves that nothing matches are left alone. The mask of a regularizer applies within its pattern.

    Returns:
      A regularizer. Using it on a tree in which a pattern matches no floating leaf, or only leaves that earlier
      patterns take, raises a `ValueError` that names the pattern. To map over some of several strengths, make the value
      inside of the function: `jax.vmap(lambda s: train(by_path({"**/kernel": l1(s), "**/bias": l2(0.1)})))(strengths)`.

    Raises:
      TypeError: if a value is neither a regularizer nor None, or a pattern is of a wrong kind.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> rules = regjax.regularizers.by_path(
      ...     {
      ...         "encoder/**/kernel": regjax.regularizers.l1(0.5),
      ...         "**/kernel": regjax.regularizers.l2(2.0),
      ...     }
      ... )
      >>> params = {"encoder": {"kernel": jnp.array([3.0, -1.0])}, "head": {"kernel": jnp.array([3.0]), "bias": 9.0}}
      >>> float(rules.penalty(params))
      11.0
      >>> rules.prox(params, 1.0)["encoder"]["kernel"]
      Array([ 2.5, -0.5], dtype=float32)
    """
    checks.mapping("rules", rules)
    for value in rules.values():
        checks.instance("rules", value, Regularizer | None, "map patterns to regularizers or None")
    masks.first_match(*rules)
    return ByPath(tuple(rules), tuple(rules.values()))
