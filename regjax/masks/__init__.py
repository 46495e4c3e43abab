"""Which leaves of a tree a rule applies to.

Wherever `mask=` stands it takes `None` (every floating leaf), a glob on the path of the leaf such as `"**/kernel"`, a
tuple of globs, a compiled `re.Pattern`, a tree or prefix tree of bools, a function from the tree to such a tree, or
one of the values built here. The values are not callable, so they pass through `optax.inject_hyperparams`.
"""

from regjax.masks._as_mask import as_mask
from regjax.masks._combine import all_of, first_match
from regjax.masks._mask import Mask
from regjax.masks._patterns import exclude, path
from regjax.masks._presets import min_ndim, no_bias_or_norm
from regjax.masks._resolve import resolve, select

__all__ = [
    "Mask",
    "all_of",
    "as_mask",
    "exclude",
    "first_match",
    "min_ndim",
    "no_bias_or_norm",
    "path",
    "resolve",
    "select",
]
