"""Batch normalization."""

import numpy as np


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
