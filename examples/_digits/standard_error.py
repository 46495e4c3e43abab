"""How far a mean over seeds may be off."""

import math

import numpy as np


def standard_error(values: np.ndarray) -> float:
    """Returns the standard error of the mean; NaN for one value."""
    return float(np.std(values, ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan
