"""Batch normalization."""

import math
from typing import Any

import numpy as np

from regjax._src.checks._kinds import flag, instance
from regjax._src.checks._numbers import rate, strength


def batch_norm_options(momentum: Any, epsilon: Any, use_fast_variance: Any, use_running_average: Any) -> None:
    """Checks what Flax's own layer takes as it is."""
    rate("momentum", momentum)
    strength("epsilon", epsilon)
    flag("use_fast_variance", use_fast_variance)
    running_average(use_running_average)


def running_average(value: Any) -> None:
    """Checks the switch between the statistics of training and those of evaluation; None leaves it to the other."""
    instance("use_running_average", value, bool | np.bool_ | None, "be True, False or None")


def as_many_features(features: tuple[int, ...], shape: tuple[int, ...], expected: int) -> None:
    """Checks that there are as many features as there are statistics."""
    got = math.prod(shape[axis] for axis in features)
    if got != expected:
        raise ValueError(f"`x` must have {expected} features along the axes {features}, got {got} in shape {shape}")


def batch_is_no_feature(features: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Checks that the axis of examples, which is split into virtual batches, is free."""
    if 0 in features:
        raise ValueError(f"`axis` must not name axis 0, which is the batch, got {features} for `x` of shape {shape}")


def broadcastable(name: str, shape: tuple[int, ...], to: str, expected: tuple[int, ...]) -> None:
    """Checks that one array broadcasts to another."""
    try:
        fits = np.broadcast_shapes(shape, expected) == expected
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"`{name}` must broadcast to the shape {expected} of `{to}`, got {shape}")
