"""What is regularized, how sparse and how large: reports that print as tables."""

from regjax.diagnostics._describe import Description, describe
from regjax.diagnostics._norms import norms
from regjax.diagnostics._report import Report
from regjax.diagnostics._sparsity import group_sparsity, sparsity

__all__ = [
    "Description",
    "Report",
    "describe",
    "group_sparsity",
    "norms",
    "sparsity",
]
