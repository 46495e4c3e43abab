"""What the formulas of single penalties and their operators ask for."""

from typing import Any

import numpy as np

from regjax._src.checks._numbers import numbers, scalar


def all_above(name: str, value: Any, limit: float) -> None:
    """Checks a number that shapes a penalty, or an array of them that is to be mapped over."""
    numbers(name, value, lambda x: (x > limit) & np.isfinite(x), f"finite and > {limit}")


def above(name: str, value: Any, limit: float) -> None:
    """Checks one number that shapes a penalty."""
    all_above(name, value, limit)
    scalar(name, value)


def no_metric(name: str, metric: Any) -> None:
    """Refuses a metric where the operator has no closed form in one."""
    if metric is not None:
        raise ValueError(f"`metric` must be None for {name}, whose operator is Euclidean, got {type(metric).__name__}")


def axis_is_one(axis: Any) -> None:
    """Checks that axes, as a user says them, are one."""
    if axis is None or (isinstance(axis, tuple | list) and len(axis) != 1):
        raise ValueError(f"`axis` must be one axis for a proximal operator, got {axis}")


def one_axis(axes: tuple[int, ...]) -> int:
    """Returns the only axis, for an operator that is exact along one."""
    axis_is_one(axes)
    return axes[0]
