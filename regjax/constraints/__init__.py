"""Constraints: a projection with its bound and mask, said once and used everywhere.

The same value projects parameters (`constraint.project(params)`), follows the optimizer
(`regjax.transforms.project(constraint)`) and is a row of a report (`regjax.diagnostics.describe(constraint, params)`).
"""

from regjax.constraints._box import box
from regjax.constraints._by_path import by_path
from regjax.constraints._constraint import Constraint
from regjax.constraints._intersection import intersection
from regjax.constraints._l1_ball import l1_ball
from regjax.constraints._l2_ball import l2_ball
from regjax.constraints._linf_ball import linf_ball
from regjax.constraints._max_norm import max_norm
from regjax.constraints._min_max_norm import min_max_norm
from regjax.constraints._non_negative import non_negative
from regjax.constraints._orthogonal import orthogonal
from regjax.constraints._simplex import simplex
from regjax.constraints._spectral_norm import spectral_norm
from regjax.constraints._unit_norm import unit_norm

__all__ = [
    "Constraint",
    "box",
    "by_path",
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
