r"""Proximal operators: where a penalty, with a step, moves a tree of parameters.

The operator of a penalty :math:`\Omega` with strength :math:`\lambda` and step size :math:`\tau` is
:math:`\arg\min_x \tfrac12 \sum_i d_i (x_i - z_i)^2 + \tau \, \Omega_\lambda(x)`; the positive weights :math:`d`
are the `metric`, all ones when it is None. It is computed in float32 (float64 where a leaf has it) and cast back, so
dtypes are kept; leaves that are not floating, and `None`, pass through; NaN stays NaN.
"""

from regjax.prox._elastic_net import elastic_net
from regjax.prox._group_lasso import group_lasso
from regjax.prox._huber import huber
from regjax.prox._l0 import l0
from regjax.prox._l1 import l1
from regjax.prox._l2 import l2
from regjax.prox._l2_sp import l2_sp
from regjax.prox._log_sum import log_sum
from regjax.prox._mcp import mcp
from regjax.prox._nuclear import nuclear
from regjax.prox._scad import scad
from regjax.prox._sparse_group_lasso import sparse_group_lasso
from regjax.prox._total_variation import total_variation

__all__ = [
    "elastic_net",
    "group_lasso",
    "huber",
    "l0",
    "l1",
    "l2",
    "l2_sp",
    "log_sum",
    "mcp",
    "nuclear",
    "scad",
    "sparse_group_lasso",
    "total_variation",
]
