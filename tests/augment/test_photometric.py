"""Operations on colours, against Pillow, by which AutoAugment is defined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from regjax.augment import _photometric as photometric

NOISE = np.random.default_rng(0)
# Skewed, and far from using all levels, so that stretching and equalizing have something to do.
PIXELS = {
    channels: (20 + 150 * NOISE.beta(2, 4, size=(24, 31, channels)) ** 1.5).astype(np.uint8) for channels in (1, 3)
}
AMOUNTS = [-0.9, -0.3, 0.0, 0.4, 0.9]


def pillow(channels):
    pixels = PIXELS[channels]
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


def in_levels(image, channels):
    return np.asarray(image, np.float64).reshape(PIXELS[channels].shape)


@pytest.fixture(scope="module", params=[1, 3])
def results(request):
    """Every operation at every amount, in levels."""

    @jax.jit
    def run(image, amounts):
        plain = {f.__name__: f(image) for f in (photometric.autocontrast, photometric.equalize)}
        named = (
            photometric.solarize,
            photometric.posterize,
            photometric.brightness,
            photometric.contrast,
            photometric.color,
            photometric.sharpness,
        )
        return plain | {f.__name__: jax.vmap(lambda a, f=f: f(image, a))(amounts) for f in named}

    x = jnp.asarray(PIXELS[request.param], jnp.float32) / 255
    return request.param, x, run(x, jnp.array(AMOUNTS)), run(x, jnp.linspace(0, 1, 5))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_histograms(results, name):
    channels, _, (ours), _ = results
    expected = in_levels(getattr(ImageOps, name)(pillow(channels)), channels)
    # Pillow rounds its table down, and equalize has no other values than those of the table.
    tolerance = 1.0 if name == "autocontrast" else 1e-3
    np.testing.assert_allclose(ours[name] * 255, expected, atol=tolerance + 1e-3)


@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("color", ImageEnhance.Color),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_enhancements(results, name, enhance):
    channels, _, ours, _ = results
    for amount, image in zip(AMOUNTS, ours[name], strict=True):
        expected = in_levels(enhance(pillow(channels)).enhance(1 + amount), channels)
        # Pillow rounds the result, and before that the image that it moves away from.
        np.testing.assert_allclose(image * 255, expected, atol=1.6)


def test_thresholds_and_bits(results):
    channels, _, _, ours = results
    for quarters in range(5):
        threshold = 256 - 64 * quarters
        expected = in_levels(ImageOps.solarize(pillow(channels), threshold), channels)
        np.testing.assert_allclose(ours["solarize"][quarters] * 255, expected, atol=1e-3)
        expected = in_levels(ImageOps.posterize(pillow(channels), 8 - quarters), channels)
        np.testing.assert_allclose(ours["posterize"][quarters] * 255, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["brightness", "contrast", "color", "sharpness", "solarize", "posterize"])
def test_no_amount_is_the_identity(results, name):
    _, x, signed, unsigned = results
    none = signed[name][AMOUNTS.index(0.0)] if name not in {"solarize", "posterize"} else unsigned[name][0]
    np.testing.assert_array_equal(none, x)


def test_images_without_contrast_stay():
    x = jnp.full((5, 5, 3), 0.3)
    both = jax.jit(lambda x: (photometric.autocontrast(x), photometric.equalize(x)))(x)
    np.testing.assert_array_equal(both, [x, x])


def test_two_channels_have_their_mean_as_grey_and_small_images_stay_sharp():
    x = jnp.asarray(NOISE.uniform(0.2, 0.8, size=(2, 5, 2)), jnp.float32)
    np.testing.assert_allclose(
        photometric.color(x, jnp.float32(-1.0)), np.broadcast_to(x.mean(-1, keepdims=True), x.shape), rtol=1e-6
    )
    np.testing.assert_array_equal(photometric.sharpness(x, jnp.float32(0.9)), x)
