"""Penalties: a tree of parameters to one scalar that is to be kept small.

A penalty sums over the floating leaves of the tree; other leaves, and `None`, do not count. It is computed in float32,
or in float64 where a leaf has it. Gradients and Hessians are finite everywhere, zero included.
"""

from regjax.penalties._elastic_net import elastic_net
from regjax.penalties._group_lasso import group_lasso
from regjax.penalties._l0 import l0
from regjax.penalties._l1 import l1
from regjax.penalties._l2 import l2
from regjax.penalties._l2_sp import l2_sp
from regjax.penalties._sparse_group_lasso import sparse_group_lasso

__all__ = [
    "elastic_net",
    "group_lasso",
    "l0",
    "l1",
    "l2",
    "l2_sp",
    "sparse_group_lasso",
]
