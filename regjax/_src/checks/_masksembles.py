"""Masksembles."""

from typing import Any

import jax
import numpy as np

from regjax._src.checks._lists import shown
from regjax._src.checks._numbers import numbers, scalar


def mask_scale(value: Any) -> float:
    """Returns the scale of masks, on which their shape depends."""
    if isinstance(value, jax.Array):
        raise TypeError(f"`scale` must be a Python number, as the masks are made on the host, got {shown(value)}")
    numbers("scale", value, lambda x: (x >= 1) & np.isfinite(x), "finite and >= 1")
    scalar("scale", value)
    return float(value)


def features_last(name: str, shape: tuple[int, ...]) -> None:
    """Checks that there is an axis of examples and one of features, which are there."""
    if len(shape) < 2 or shape[-1] == 0:
        raise ValueError(f"`{name}` must have shape [batch, ..., features], got {shape}")


def feature_masks(masks: Any, shape: tuple[int, ...]) -> None:
    """Checks masks of the features of `x`, which has the given shape."""
    features_last("x", shape)
    if masks.dtype != np.bool_:
        raise TypeError(f"`masks` must be boolean, got dtype {masks.dtype}")
    if masks.ndim != 2 or masks.shape[0] == 0 or masks.shape[1] != shape[-1]:
        raise ValueError(f"`masks` must have shape [num_masks, {shape[-1]}], got {masks.shape}")
