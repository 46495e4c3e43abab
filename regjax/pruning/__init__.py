"""Networks that get smaller: units that do nothing are removed, and the outputs stay equal."""

from regjax.pruning._pruned import Pruned
from regjax.pruning._remove_zero_units import remove_zero_units

__all__ = ["Pruned", "remove_zero_units"]
