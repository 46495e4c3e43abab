"""Penalties: a tree of parameters to one scalar that is to be kept small.

A penalty sums over the floating leaves of the tree; other leaves, and `None`, do not count. It is computed in float32,
or in float64 where a leaf has it. Gradients and Hessians are finite everywhere, zero included.
"""

from regjax.penalties._activity import activity
from regjax.penalties._elastic_net import elastic_net
from regjax.penalties._group_lasso import group_lasso
from regjax.penalties._huber import huber
from regjax.penalties._l0 import l0
from regjax.penalties._l1 import l1
from regjax.penalties._l2 import l2
from regjax.penalties._l2_sp import l2_sp
from regjax.penalties._log_sum import log_sum
from regjax.penalties._mcp import mcp
from regjax.penalties._nuclear import nuclear
from regjax.penalties._orthogonal import orthogonal
from regjax.penalties._scad import scad
from regjax.penalties._sparse_group_lasso import sparse_group_lasso
from regjax.penalties._spectral import spectral
from regjax.penalties._total_variation import total_variation

__all__ = [
    "activity",
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
