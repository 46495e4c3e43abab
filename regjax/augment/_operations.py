"""The operations of RandAugment: functions of a key, one image and a magnitude in [0, 1]."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from regjax._src.types import Array, ArrayLike, Key
from regjax.augment import _photometric as photometric
from regjax.augment._resample import matrices, resample, turn

Operation: TypeAlias = Callable[[Key, Array, Array], Array]

# The largest shift as a fraction of the size: AutoAugment shifts images of 331 pixels by 150.
_LARGEST_SHIFT = 150 / 331


def named_operations(fill: ArrayLike) -> dict[str, Operation]:
    """Returns the operations by name; `fill` is the value of what comes in from beyond the edge."""

    def moved(image: Array, inverse: Array, shift: tuple[Array, Array]) -> Array:
        by = jnp.stack([jnp.broadcast_to(s, 1) for s in shift], -1)
        return resample(image[None], inverse, by, interpolation="linear", mode="constant", fill=fill)[0]

    def rotate(image: Array, amount: Array) -> Array:
        sine, cosine = turn(30 * amount[None])
        return moved(image, matrices(((cosine, sine), (-sine, cosine))), _none(amount))

    def shear_x(image: Array, amount: Array) -> Array:
        return moved(image, _sheared(amount, 1), _none(amount))

    def shear_y(image: Array, amount: Array) -> Array:
        return moved(image, _sheared(amount, 0), _none(amount))

    def translate_x(image: Array, amount: Array) -> Array:
        shift = (jnp.zeros_like(amount), amount * (_LARGEST_SHIFT * image.shape[1]))
        return moved(image, _identity(amount), shift)

    def translate_y(image: Array, amount: Array) -> Array:
        shift = (amount * (_LARGEST_SHIFT * image.shape[0]), jnp.zeros_like(amount))
        return moved(image, _identity(amount), shift)

    return {
        "identity": _plain(lambda image: image),
        "autocontrast": _plain(photometric.autocontrast),
        "equalize": _plain(photometric.equalize),
        "rotate": _either_way(rotate),
        "solarize": _one_way(photometric.solarize),
        "posterize": _one_way(photometric.posterize),
        "color": _either_way(photometric.color, 0.9),
        "contrast": _either_way(photometric.contrast, 0.9),
        "brightness": _either_way(photometric.brightness, 0.9),
        "sharpness": _either_way(photometric.sharpness, 0.9),
        "shear_x": _either_way(shear_x),
        "shear_y": _either_way(shear_y),
        "translate_x": _either_way(translate_x),
        "translate_y": _either_way(translate_y),
    }


def _plain(function: Callable[[Array], Array]) -> Operation:
    def operation(key: Key, image: Array, magnitude: Array) -> Array:
        del key, magnitude
        return function(image)

    return operation


def _one_way(function: Callable[[Array, Array], Array]) -> Operation:
    def operation(key: Key, image: Array, magnitude: Array) -> Array:
        del key
        return function(image, magnitude)

    return operation


def _either_way(function: Callable[[Array, Array], Array], largest: float = 1.0) -> Operation:
    def operation(key: Key, image: Array, magnitude: Array) -> Array:
        amount = largest * magnitude
        return function(image, jnp.where(jax.random.bernoulli(key), amount, -amount))

    return operation


def _none(amount: Array) -> tuple[Array, Array]:
    return jnp.zeros_like(amount), jnp.zeros_like(amount)


def _identity(amount: Array) -> Array:
    return jnp.eye(2, dtype=amount.dtype)[None]


def _sheared(amount: Array, axis: int) -> Array:
    """Returns the inverse of a shear along an axis by up to 0.3 pixels a pixel."""
    return _identity(amount).at[0, axis, 1 - axis].set(-0.3 * amount)
