"""Regularizers: a penalty with its proximal operator, strength and mask, said once and used everywhere.

The same value is a term of the loss (`regularizer.penalty(params)`), a step of the optimizer
(`regjax.transforms.proximal_step(regularizer, learning_rate)`) and a row of a report
(`regjax.diagnostics.describe(regularizer, params)`).
"""

from regjax.regularizers._activity import activity
from regjax.regularizers._by_path import by_path
from regjax.regularizers._elastic_net import elastic_net
from regjax.regularizers._group_lasso import group_lasso
from regjax.regularizers._huber import huber
from regjax.regularizers._l0 import l0
from regjax.regularizers._l1 import l1
from regjax.regularizers._l2 import l2
from regjax.regularizers._l2_sp import l2_sp
from regjax.regularizers._log_sum import log_sum
from regjax.regularizers._mcp import mcp
from regjax.regularizers._nuclear import nuclear
from regjax.regularizers._orthogonal import orthogonal
from regjax.regularizers._regularizer import Regularizer
from regjax.regularizers._scad import scad
from regjax.regularizers._sparse_group_lasso import sparse_group_lasso
from regjax.regularizers._spectral import spectral
from regjax.regularizers._total_variation import total_variation

__all__ = [
    "Regularizer",
    "activity",
    "by_path",
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
    "orthogonal",
    "scad",
    "sparse_group_lasso",
    "spectral",
    "total_variation",
]
