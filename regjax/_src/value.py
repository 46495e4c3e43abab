"""Values: an operator with its numbers, its options and its mask, said once and used in many places."""

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import DictKey, GetAttrKey

from regjax._src.groups import leaf_axes
from regjax._src.matrices import is_matrix
from regjax._src.paths import leaf_paths
from regjax._src.shown import plain
from regjax._src.types import PyTree
from regjax._src.units import passed_by

Named = tuple[tuple[str, Any], ...]


class Operator(NamedTuple):
    """An operator on one leaf, for reports.

    Attributes:
      name: its name.
      arguments: its numbers and options, as :func:`regjax._src.shown.plain` gives them.
    """

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


Operators = tuple[Operator, ...]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Value:
    """An immutable pytree whose children are its numbers; everything else about it is static.

    Attributes:
      name: the name of the operator, the same in every room.
      numbers: what may be traced, mapped over and differentiated: strengths or bounds, and an anchor.
      options: what shapes and formulas depend on, such as an axis.
      mask: which leaves.
    """

    name: str
    numbers: Named
    options: tuple[tuple[str, Hashable], ...]
    mask: Any

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        """Returns the numbers by name, and the rest."""
        names = tuple(name for name, _ in self.numbers)
        children = [(GetAttrKey(name), number) for name, number in self.numbers]
        return children, (self.name, names, self.options, self.mask)

    @classmethod
    def tree_unflatten(cls, static: tuple[Any, ...], children: Any) -> Self:
        """Puts numbers back; they are not checked, because JAX passes placeholders through here."""
        name, names, options, mask = static
        return cls(name, tuple(zip(names, children, strict=True)), options, mask)

    @property
    def keywords(self) -> dict[str, Any]:
        """Returns the arguments of the operator besides the tree."""
        return dict(self.numbers) | dict(self.options)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Value):
            return NotImplemented
        (mine, structure), (theirs, other_structure) = jax.tree.flatten(self), jax.tree.flatten(other)
        return structure == other_structure and all(map(np.array_equal, mine, theirs))

    def __hash__(self) -> int:
        # Without the numbers, which may be arrays.
        return hash((self.name, self.options, self.mask))

    def text(self) -> str:
        """Returns how the operator would be called, without the mask."""
        return str(self.operator())

    def operator(self) -> Operator:
        """Returns the operator for a report."""
        return Operator(self.name, {name: plain(value) for name, value in self.keywords.items()})

    def members(self) -> tuple["Value", ...]:
        """Returns the values of one operator each that it is made of: itself, unless it is several at once."""
        return (self,)

    def touched(self, chosen: PyTree, params: PyTree) -> dict[str, Operators]:
        """Returns the operator for the path of every leaf that is chosen and that the operator does not pass by."""
        acting = zip(leaf_paths(params), self.acts_on(chosen, params), strict=True)
        operators = (self.operator(),)
        return {path: operators for path, yes in acting if yes}

    def acts_on(self, chosen: PyTree, params: PyTree) -> list[bool]:
        """Tells of every leaf whether it is chosen and the operator does not pass it by."""
        items = zip(jax.tree.leaves(chosen), leaf_paths(params), jax.tree.leaves(params), strict=True)
        return [yes and self._takes(path, leaf) for yes, path, leaf in items]

    def _takes(self, path: str, leaf: Any) -> bool:
        keywords, ndim = self.keywords, np.ndim(leaf)
        if "stacked_axes" in keywords:
            return is_matrix(ndim, keywords["stacked_axes"])
        axis = keywords.get("axis")
        if axis not in (None, "auto") and np.size(leaf):
            leaf_axes(axis, path, leaf)  # so that a leaf that lacks the axis is named before anything is computed
        return not passed_by(axis, ndim)

    def __repr__(self) -> str:
        mask = repr(self.mask)
        return self.text() if mask == "None" else f"{self.text().removesuffix(')')}, mask={mask})".replace("(, ", "(")


@dataclasses.dataclass(frozen=True, repr=False)
class Rules:
    """An immutable pytree of values by pattern, in an order that counts.

    Attributes:
      patterns: what selects leaves; static.
      rules: a value or None for each pattern; the children.
    """

    patterns: tuple[Any, ...]
    rules: tuple[Any, ...]

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        """Returns the values by pattern, and the patterns."""
        return list(zip(map(DictKey, self.patterns), self.rules, strict=True)), self.patterns

    @classmethod
    def tree_unflatten(cls, patterns: tuple[Any, ...], rules: Any) -> Self:
        """Puts values back; they may be placeholders of JAX."""
        return cls(patterns, tuple(rules))

    def __repr__(self) -> str:
        lines = zip(self.patterns, self.rules, strict=True)
        return f"by_path({{{', '.join(f'{pattern!r}: {rule!r}' for pattern, rule in lines)}}})"


def same_shape(numbers: Mapping[str, Any]) -> Named:
    """Returns the numbers by name, single ones repeated where others are arrays to be mapped over."""
    shapes = [np.shape(number) for number in numbers.values()]
    largest = max(shapes, key=len, default=())
    return tuple(
        (name, jnp.broadcast_to(number, largest) if shape == () != largest else number)
        for (name, number), shape in zip(numbers.items(), shapes, strict=True)
    )
