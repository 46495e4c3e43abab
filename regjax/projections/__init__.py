"""Projections: a tree of parameters to the nearest tree in a constraint set.

What is in the set already comes back bit for bit, but for subnormal numbers, which a CPU may take for 0. The result is
computed in float32 (float64 where a leaf has it) and cast back, so dtypes are kept; leaves that are not floating, and
`None`, pass through; NaN stays NaN.
"""

from regjax.projections._box import box
from regjax.projections._intersection import intersection
from regjax.projections._l1_ball import l1_ball
from regjax.projections._l2_ball import l2_ball
from regjax.projections._linf_ball import linf_ball
from regjax.projections._max_norm import max_norm
from regjax.projections._min_max_norm import min_max_norm
from regjax.projections._non_negative import non_negative
from regjax.projections._orthogonal import orthogonal
from regjax.projections._simplex import simplex
from regjax.projections._spectral_norm import spectral_norm
from regjax.projections._unit_norm import unit_norm

__all__ = [
    "box",
    "intersection",
    "l1_ball",
    "l2_ball",
    "linf_ball",
    "max_norm",
    "min_max_norm",
    "non_negative",
    "orthogonal",
    "simplex",
    "spectral_norm",
    "unit_norm",
]
