"""Random erasing, from the loop of torchvision written in NumPy."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import random_erasing

DRAWS = 20_000
SHAPE = (DRAWS, 9, 6, 1)


@jax.jit
def erased(rate, area, aspect):
    y = random_erasing(jax.random.key(0), jnp.ones(SHAPE), rate=rate, area=area, aspect=aspect)
    return y[..., 0] == 0


@functools.cache
def torchvision(rate, area, aspect):
    """Draws masks in the way of `torchvision.transforms.RandomErasing`."""
    generator = np.random.default_rng(0)
    _, height, width, _ = SHAPE
    masks = np.zeros(SHAPE[:3], bool)
    for index in np.flatnonzero(generator.random(DRAWS) < rate):
        for _ in range(10):
            pixels = height * width * generator.uniform(*area)
            ratio = math.exp(generator.uniform(*np.log(aspect)))
            h, w = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
            if h < height and w < width:
                top, left = generator.integers(0, height - h + 1), generator.integers(0, width - w + 1)
                masks[index, top : top + h, left : left + w] = True
                break
    return masks


# The default, one rate that is sure, and boxes that often do not fit.
CASES = [(0.5, (0.02, 1 / 3), (0.3, 1 / 0.3)), (1.0, (0.1, 0.2), (1.0, 1.0)), (0.9, (0.6, 1.0), (0.2, 5.0))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_boxes_have_the_distribution_of_torchvision(case):
    masks, expected = np.asarray(erased(*case)), torchvision(*case)
    rows, columns = masks.any(2), masks.any(1)
    np.testing.assert_array_equal(masks, rows[:, :, None] & columns[:, None])
    for along in (rows, columns):
        # One run of ones: it rises and falls once at most.
        assert np.abs(np.diff(np.pad(along, ((0, 0), (1, 1))).astype(int), axis=1)).sum(1).max() == 2
    spread = np.sqrt((masks.var(0) + expected.var(0)) / DRAWS)
    assert np.all(np.abs(masks.mean(0) - expected.mean(0)) < 5 * spread + 1e-12)
    for statistic in (lambda m: m.any(2).sum(1), lambda m: m.any(1).sum(1), lambda m: m.sum((1, 2))):
        for power in (1, 2):
            found, wanted = statistic(masks) ** power, statistic(expected) ** power
            assert abs(found.mean() - wanted.mean()) < 5 * np.sqrt((found.var() + wanted.var()) / DRAWS)
    whole = masks.any((1, 2)).mean() - expected.any((1, 2)).mean()
    assert abs(whole) <= 5 * np.sqrt(0.5 / DRAWS)


def test_images_stay_whole_where_the_rate_is_zero_or_no_box_fits():
    assert not erased(0.0, (0.02, 1 / 3), (0.3, 1 / 0.3)).any()
    assert not erased(1.0, (1.0, 1.0), (1.0, 1.0)).any()
    assert erased(1.0, (0.02, 1 / 3), (0.3, 1 / 0.3)).any((1, 2)).mean() > 0.999


@pytest.mark.usefixtures("strict_promotion")
def test_pixels_are_filled_with_constants():
    cases = [
        (jnp.float32, 0.5),
        (jnp.uint8, 7),
        (jnp.uint8, (1, 2, 255)),
        (jnp.int16, np.array([-3, 4, 5])),
        (jnp.bfloat16, jnp.array([0.25, 0.5, 0.75])),
        (jnp.float32, np.float64(2.0)),
    ]
    images = [jnp.full((20, 5, 6, 3), 100, dtype) for dtype, _ in cases]

    @jax.jit
    def run(seed):
        fills = [fill for _, fill in cases]
        return [
            random_erasing(jax.random.key(seed), x, rate=1.0, area=(0.1, 0.3), fill=f)
            for x, f in zip(images, fills, strict=True)
        ]

    for x, y, (dtype, fill) in zip(images, run(1), cases, strict=True):
        assert y.dtype == dtype
        lost = np.asarray(y != x)
        assert (lost == lost[..., :1]).all() and lost.any((1, 2, 3)).all() and lost.mean() < 0.5
        expected = np.where(lost, np.broadcast_to(np.asarray(fill, np.float64), x.shape), 100)
        np.testing.assert_array_equal(np.asarray(y, np.float64), expected)


def test_pixels_are_filled_with_noise():
    x = jnp.full((200, 5, 6, 3), 100.0)

    @jax.jit
    def run(seed):
        low = x.astype(jnp.bfloat16)
        fills = (x, "normal"), (low, "normal"), (x, "normal_color"), (low, "normal_color")
        return [random_erasing(jax.random.key(seed), z, rate=1.0, fill=fill) for z, fill in fills]

    noise, low_noise, color, low_color = map(np.asarray, run(1))
    np.testing.assert_array_equal(low_noise, noise.astype(jnp.bfloat16))
    np.testing.assert_array_equal(low_color, color.astype(jnp.bfloat16))
    lost = noise != 100
    assert (lost == lost[..., :1]).all()
    colors = np.where(lost, color, -np.inf).max((1, 2))
    np.testing.assert_array_equal(color, np.where(lost, colors[:, None, None], 100))
    for values in (noise[lost], colors[np.isfinite(colors)]):
        assert len(np.unique(values)) > 0.99 * values.size
        assert abs(values.mean()) < 5 / np.sqrt(values.size)
        assert abs(values.var() - 1) < 5 * np.sqrt(2 / values.size)


def test_lost_pixels_have_gradient_zero_even_where_they_were_infinite():
    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradient(x):
        y = random_erasing(jax.random.key(1), x, rate=1.0)
        return y.sum(), y

    slope, y = gradient(jnp.ones((4, 5, 6, 3)))
    np.testing.assert_array_equal(slope, y != 0)
    again, finite = gradient(jnp.where(y == 0, jnp.inf, 1.0))
    np.testing.assert_array_equal(again, slope)
    np.testing.assert_array_equal(finite, y)


def test_mistakes_are_named():
    x = jnp.ones((4, 5, 6, 3), jnp.uint8)
    for shape in ((), (5, 6, 3), (4, 5, 6, 7, 3)):
        with pytest.raises(ValueError, match=r"`x` must have shape \[batch, height, width, channels\], got"):
            random_erasing(jax.random.key(0), jnp.ones(shape))
    with pytest.raises(ValueError, match="`x` must have spatial axes that are not empty"):
        random_erasing(jax.random.key(0), x[:, :0])
    for arguments, message in [
        ({"rate": 1.5}, r"`rate` must be in \[0, 1\], got 1.5"),
        ({"area": (0.0, 0.5)}, r"`area` must be in \(0, 1\], got 0.0"),
        ({"area": (0.1, 1.5)}, r"`area` must be in \(0, 1\], got 1.5"),
        ({"area": (0.5, 0.1)}, r"`area\[0\]` must be <= `area\[1\]`, got 0.5 and 0.1"),
        ({"aspect": (0.3, 1.0, 2.0)}, r"`aspect` must be a pair of numbers, got"),
        ({"aspect": (0.3, math.inf)}, r"`aspect` must be finite and > 0, got inf"),
        ({"aspect": (-1, 2)}, r"`aspect` must be finite and > 0, got -1"),
        ({"fill": 0.5}, r"`fill` must be integers in \[0, 255\] for the uint8 array `x`, got 0.5"),
        ({"fill": 256}, r"`fill` must be integers in \[0, 255\] for the uint8 array `x`, got 256"),
        ({"fill": (1, 2)}, r"`fill` must have shape \(\) or \(3,\), one value for each channel, got \(2,\)"),
        ({"fill": "pixel"}, r"`fill` must be one of 'normal', 'normal_color', got 'pixel'"),
    ]:
        with pytest.raises(ValueError, match=message):
            random_erasing(jax.random.key(0), x, **arguments)
    with pytest.raises(ValueError, match="`fill` must be numbers, got nan"):
        random_erasing(jax.random.key(0), x.astype(jnp.float32), fill=math.nan)
    with pytest.raises(TypeError, match="`area` must be a pair of numbers, got 0.3"):
        random_erasing(jax.random.key(0), x, area=0.3)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype uint8"):
        random_erasing(jax.random.key(0), x, fill="normal")
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        random_erasing(0, x)


def test_rows_of_different_lengths_are_no_fill(key):
    with pytest.raises(ValueError, match="`fill` must be an array, got rows of different lengths"):
        random_erasing(key, jnp.ones((2, 4, 4, 3)), fill=[[0.1], [0.2, 0.3]])
