"""Regularizers: a penalty with its proximal operator, strength and mask, said once and used everywhere.

The same value is a term of the loss (`regularizer.penalty(params)`), a step of the optimizer
(`regjax.transforms.proximal_step(regularizer, learning_rate)`) and a row of a report
(`regjax.diagnostics.describe(regularizer, params)`).
"""

from regjax.regularizers._by_path import by_path
from regjax.regularizers._elastic_net import elastic_net
from regjax.regularizers._group_lasso import group_lasso
from regjax.regularizers._l0 import l0
from regjax.regularizers._l1 import l1
from regjax.regularizers._l2 import l2
from regjax.regularizers._l2_sp import l2_sp
from regjax.regularizers._regularizer import Regularizer
from regjax.regularizers._sparse_group_lasso import sparse_group_lasso

__all__ = [
    "Regularizer",
    "by_path",
    "elastic_net",
    "group_lasso",
    "l0",
    "l1",
    "l2",
    "l2_sp",
    "sparse_group_lasso",
]
