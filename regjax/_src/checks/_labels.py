"""Labels, and the classes that they name."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.checks._arrays import any_array, axes, boolean, floating, host_array, same_shape
from regjax._src.checks._lists import one_line, shown
from regjax._src.checks._numbers import numbers
from regjax._src.types import Array, ArrayLike


def class_axis(axis: Any, shape: tuple[int, ...], of: str) -> int:
    """Returns the one axis that holds the classes, non-negative."""
    if not isinstance(axis, int | np.integer) or isinstance(axis, bool):
        raise TypeError(f"`axis` must be an integer, got {shown(axis)}")
    return axes(int(axis), shape, f"`{of}`")[0]


def has_classes(name: str, shape: tuple[int, ...], axis: int) -> None:
    """Checks that there is at least one class."""
    if shape[axis] == 0:
        raise ValueError(f"`{name}` must have at least one class along axis {axis}, got shape {shape}")


def class_labels(value: ArrayLike) -> Array:
    """Converts to integer or soft labels."""
    array = any_array("labels", value)
    if not (jnp.issubdtype(array.dtype, jnp.integer) or jnp.issubdtype(array.dtype, jnp.floating)):
        raise TypeError(f"`labels` must be integers, or probabilities in a floating array, got dtype {array.dtype}")
    return array


def integer_labels(value: ArrayLike) -> Array:
    """Converts to integer labels."""
    array = any_array("labels", value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"`labels` must be an integer array, got dtype {array.dtype}")
    return array


def binary_labels(value: ArrayLike) -> Array:
    """Converts to labels that are probabilities, zeros and ones, or booleans."""
    array = any_array("labels", value)
    return array if array.dtype == jnp.bool_ else class_labels(array)


def labels_below(value: ArrayLike, num_classes: int) -> None:
    """Checks integer labels that live on the host; a negative one is no class."""
    if isinstance(value, jax.Array):
        return
    largest = int(np.max(np.asarray(value), initial=0))
    if largest >= num_classes:
        raise ValueError(f"`labels` must be below the number of classes, {num_classes}, got {largest}")


def labels_fit(labels: Array, shape: tuple[int, ...], axis: int) -> None:
    """Checks the shape of labels against that of the logits."""
    if jnp.issubdtype(labels.dtype, jnp.floating):
        same_shape("labels", labels.shape, "logits", shape)
    expected = (*shape[:axis], *shape[axis + 1 :])
    if jnp.issubdtype(labels.dtype, jnp.integer) and labels.shape != expected:
        raise ValueError(
            f"`labels` must have the shape {expected} of `logits` without the classes where they are integers,"
            f" got {labels.shape}"
        )


def num_classes_given(value: Any) -> None:
    """Checks that somebody says how many classes integer labels choose from."""
    if value is None:
        raise ValueError("`num_classes` must be given for integer labels, got None")


def num_classes_agrees(value: Any, found: int) -> None:
    """Checks the number of classes where soft labels say it themselves."""
    if value is not None and value != found:
        raise ValueError(
            f"`num_classes` must be {found}, as soft labels have it along `axis`, or None, got {one_line(value)}"
        )


def num_classes_fits(num_classes: int, dtype: Any) -> None:
    """Checks that labels can hold every class."""
    largest = int(jnp.iinfo(dtype).max)
    if num_classes - 1 > largest:
        raise ValueError(f"`num_classes` must be at most {largest + 1} for labels of dtype {dtype}, got {num_classes}")


def entries(value: ArrayLike, shape: tuple[int, ...], of: str) -> Array:
    """Returns the mask that `where` is, broadcast to the shape of what it masks."""
    array = boolean("where", value)
    if array.ndim > len(shape) or any(m not in (1, n) for m, n in zip(array.shape[::-1], shape[::-1], strict=False)):
        raise ValueError(f"`where` must broadcast to the shape {shape} of `{of}`, got shape {array.shape}")
    return jnp.broadcast_to(array, shape)


def stacked_logits(value: Any) -> list[Array]:
    """Returns at least two floating arrays of one shape from a sequence, or from the first axis of an array."""
    parts = list(value) if isinstance(value, list | tuple) else floating("logits", value)
    if not isinstance(parts, list):
        parts = list(parts) if parts.ndim else []
    arrays = [floating("logits", part) for part in parts]
    if len(arrays) < 2:
        raise ValueError(f"`logits` must hold at least two predictions along its first axis, got {len(arrays)}")
    for array in arrays[1:]:
        same_shape("logits", array.shape, "logits[0]", arrays[0].shape)
    return arrays


def weights_of(value: Any, count: int) -> None:
    """Checks one weight for each of several predictions."""
    array = value if isinstance(value, jax.Array) else host_array("weights", value)
    if array.shape != (count,):
        raise ValueError(f"`weights` must have shape ({count},), one number for each prediction, got {array.shape}")
    numbers("weights", array, lambda x: (x >= 0) & np.isfinite(x) & np.any(x > 0), "finite, >= 0 and not all 0")
