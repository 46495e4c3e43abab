"""Masks that are said by patterns on paths."""

import dataclasses
import re

from regjax._src import checks, paths
from regjax._src.tree import floating_paths
from regjax._src.types import PyTree
from regjax.masks._mask import Mask, not_nothing

Pattern = str | re.Pattern[str]


@dataclasses.dataclass(frozen=True, repr=False)
class Patterns(Mask):
    """Selects the leaves that some pattern matches, or those that none does."""

    patterns: tuple[Pattern, ...]
    excluded: bool

    def selected(self, tree: PyTree) -> list[bool]:
        floating = floating_paths(tree)
        for pattern in self.patterns:
            if not _finds(pattern, floating):
                deeper = f"**/{pattern.lstrip('*/')}" if isinstance(pattern, str) else ""
                checks.pattern_found(pattern, floating, instead=deeper if deeper and _finds(deeper, floating) else None)
        chosen = [
            any(paths.matches(pattern, text) for pattern in self.patterns) != self.excluded
            for text in paths.leaf_paths(tree)
        ]
        return not_nothing(self, chosen, tree)

    def __repr__(self) -> str:
        return f"{'exclude' if self.excluded else 'path'}({', '.join(map(repr, self.patterns))})"


def _finds(pattern: Pattern, texts: list[str]) -> bool:
    return any(paths.matches(pattern, text) for text in texts)


def path(*patterns: Pattern) -> Mask:
    """Selects the leaves whose path some pattern matches.

    A path is the keys from the root joined by "/", the same for Linen, NNX, Equinox, tuples and lists. In a glob `*`
    stays within one part and `**` stands for any number of parts, none included, so `"**/kernel"` also matches
    `"kernel"` at the root. A compiled regular expression is searched for in the path.

    Args:
      *patterns: globs or compiled regular expressions. Each must match a floating leaf, else resolving the mask raises
        a `ValueError` that names the pattern and some paths.

    Returns:
      A mask.

    Raises:
      TypeError: if a pattern is of another kind.
      ValueError: if there is no pattern.

    Examples:
      >>> from regjax import masks
      >>> params = {"encoder": {"kernel": 1.0, "bias": 0.0}, "kernel": 2.0}
      >>> masks.resolve(masks.path("**/kernel"), params)
      {'encoder': {'bias': False, 'kernel': True}, 'kernel': True}
    """
    checks.patterns(patterns)
    return Patterns(patterns, excluded=False)


def exclude(*patterns: Pattern) -> Mask:
    """Selects the leaves whose path no pattern matches.

    Args:
      *patterns: as in :func:`regjax.masks.path`. Here too each must match a floating leaf: a mistyped exclusion would
        otherwise exclude nothing. Resolving the mask raises a `ValueError` also where no floating leaf is left.

    Returns:
      A mask.

    Raises:
      TypeError: if a pattern is of another kind.
      ValueError: if there is no pattern.

    Examples:
      >>> from regjax import masks
      >>> masks.resolve(masks.exclude("**/bias"), {"kernel": 1.0, "bias": 0.0})
      {'bias': False, 'kernel': True}
    """
    checks.patterns(patterns)
    return Patterns(patterns, excluded=True)
