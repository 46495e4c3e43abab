"""What a mask is."""

import abc

import jax

from regjax._src import checks
from regjax._src.paths import hidden_paths
from regjax._src.tree import floating_paths, is_complex, is_floating
from regjax._src.types import PyTree


class Mask(abc.ABC):
    """Tells which leaves of a tree a rule applies to, from structure, paths and shapes alone.

    A mask is an immutable, hashable value and not callable: it can be static data of a pytree, and Optax does not take
    it for a schedule. Make one with :func:`regjax.masks.path`, :func:`regjax.masks.min_ndim` and their siblings.
    """

    @abc.abstractmethod
    def selected(self, tree: PyTree) -> list[bool]:
        """Returns one bool for each leaf of `tree`, in the order of `jax.tree.leaves`."""

    def __bool__(self) -> bool:
        """Refuses to be a bool: Optax would take a mask of ours for one, and so select everything."""
        return checks.mask_as_bool(self)


def not_nothing(mask: Mask, chosen: list[bool], tree: PyTree) -> list[bool]:
    """Returns what a mask has chosen, and refuses that it is nothing.

    What a wrapper of Optax hides may have been meant. Complex leaves are refused by name, where the mask is resolved.
    """
    leaves = zip(chosen, jax.tree.leaves(tree), strict=True)
    selects = any(yes and (is_floating(leaf) or is_complex(leaf)) for yes, leaf in leaves)
    checks.mask_selects(mask, selects or bool(hidden_paths(tree)), floating_paths(tree))
    return chosen
