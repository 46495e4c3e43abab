"""What is regularized, how sparse and how large, as reports that print as tables; and how near a minimum."""

from regjax.diagnostics._action import Action
from regjax.diagnostics._describe import Description, Row, Step, describe
from regjax.diagnostics._norms import norms
from regjax.diagnostics._optimality import optimality
from regjax.diagnostics._orders import ChainOrderWarning
from regjax.diagnostics._report import Report
from regjax.diagnostics._scalars import scalars
from regjax.diagnostics._sparsity import group_sparsity, sparsity

__all__ = [
    "Action",
    "ChainOrderWarning",
    "Description",
    "Report",
    "Row",
    "Step",
    "describe",
    "group_sparsity",
    "norms",
    "optimality",
    "scalars",
    "sparsity",
]
