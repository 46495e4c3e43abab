"""What a mask is."""

import abc

from regjax._src import checks
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
