"""Rates that are learned, which have a logit."""

from typing import Any

import numpy as np

from regjax._src.checks._numbers import numbers, scalar


def logit(name: str, value: Any) -> None:
    """Checks the logit of a rate: one finite number."""
    numbers(name, value, np.isfinite, "finite")
    scalar(name, value)


def rate_inside(name: str, value: Any) -> None:
    """Checks a rate that has a logit."""
    numbers(name, value, lambda x: (x > 0) & (x < 1), "in (0, 1)")
    scalar(name, value)
