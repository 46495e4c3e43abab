"""Uncertainty of a model that is run many times with noise switched on (Monte Carlo dropout), and its measures."""

from regjax.uncertainty._classify import mc_classify
from regjax.uncertainty._measures import expected_entropy, mutual_information, predictive_entropy, variation_ratio
from regjax.uncertainty._regress import mc_regress
from regjax.uncertainty._samples import mc_samples

__all__ = [
    "expected_entropy",
    "mc_classify",
    "mc_regress",
    "mc_samples",
    "mutual_information",
    "predictive_entropy",
    "variation_ratio",
]
