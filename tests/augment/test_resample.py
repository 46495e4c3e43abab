"""Affine maps of images, against SciPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from regjax.augment._resample import matrices, resample, turn

# What SciPy calls the same.
SCIPY = {
    "constant": "grid-constant",
    "edge": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "grid-wrap",
}
NOISE = np.random.default_rng(0)
IMAGES = NOISE.normal(size=(3, 6, 9, 2))
INVERSE = np.eye(2) + NOISE.normal(scale=0.4, size=(3, 2, 2))
SHIFT = NOISE.normal(scale=3.0, size=(3, 2))


def scipy_resample(image, inverse, shift, order, mode, *, fill=0.3):
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - inverse @ (centre + shift)
    planes = [
        ndimage.affine_transform(image[..., c], inverse, offset, order=order, mode=SCIPY[mode], cval=fill)
        for c in range(image.shape[-1])
    ]
    return np.stack(planes, -1)


@pytest.mark.parametrize("mode", SCIPY)
def test_scipy_in_float64_and_float32(enable_x64, mode):
    def both(x, inverse, shift):
        return [
            resample(x, inverse, shift, interpolation=interpolation, mode=mode, fill=0.3)
            for interpolation in ("nearest", "linear")
        ]

    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5))[: 2 if mode == "constant" else 1]:
        ours = jax.jit(both)(*(a.astype(dtype) for a in (IMAGES, INVERSE, SHIFT)))
        for order, result in enumerate(ours):
            assert result.dtype == dtype
            reference = [scipy_resample(*args, order, mode) for args in zip(IMAGES, INVERSE, SHIFT, strict=True)]
            np.testing.assert_allclose(result, reference, atol=tolerance)


def test_angles_are_exact_at_quarter_turns():
    degrees = jnp.array([0.0, 90.0, 180.0, 270.0, -90.0, 450.0])
    sine, cosine = jax.jit(turn)(degrees)
    np.testing.assert_array_equal(sine, [0, 1, 0, -1, -1, 1])
    np.testing.assert_array_equal(cosine, [1, 0, -1, 0, 0, 0])


def test_angles_and_their_derivatives_anywhere():
    degrees = jnp.linspace(-400, 400, 321) + 0.1
    (sine, cosine), (dsine, dcosine) = jax.jvp(turn, (degrees,), (jnp.full_like(degrees, 180 / np.pi),))
    radians = np.deg2rad(np.asarray(degrees, np.float64))
    for ours, exact in ((sine, np.sin), (cosine, np.cos), (dsine, np.cos), (dcosine, lambda r: -np.sin(r))):
        np.testing.assert_allclose(ours, exact(radians), atol=2e-6)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
def test_quarter_turns_and_whole_pixels_are_exact(size, interpolation):
    x = jnp.asarray(NOISE.normal(size=(4, size, size, 1)), jnp.float32)
    degrees = jnp.array([0.0, 90.0, 180.0, -90.0])
    shift = jnp.array([[2.0, -3.0]] * 4)

    @jax.jit
    def turned_and_moved(x):
        sine, cosine = turn(degrees)
        turned = resample(
            x,
            matrices(((cosine, sine), (-sine, cosine))),
            jnp.zeros((4, 2)),
            interpolation=interpolation,
            mode="constant",
            fill=0,
        )
        still = jnp.broadcast_to(jnp.eye(2), (4, 2, 2))
        return turned, resample(x, still, shift, interpolation=interpolation, mode="wrap", fill=0)

    turned, moved = turned_and_moved(x)
    for index, quarters in enumerate((0, 1, 2, -1)):
        np.testing.assert_array_equal(turned[index], np.rot90(x[index], quarters))
    np.testing.assert_array_equal(moved, np.roll(x, (2, -3), (1, 2)))


def test_pixels_without_weight_do_not_count_and_gradients_stay_finite():
    x = jnp.array([[1.0, jnp.inf, 2.0], [jnp.nan, 3.0, -jnp.inf]])[None, ..., None]

    def still(x, shift):
        return resample(x, jnp.eye(2)[None], shift, interpolation="linear", mode="constant", fill=0)

    @jax.jit
    def results(x):
        none = jnp.zeros((1, 2))
        y, tangent = jax.jvp(lambda shift: still(x, shift), (none,), (jnp.ones((1, 2)),))
        return y, tangent, jax.grad(lambda x: still(x, none).sum())(x)

    y, tangent, gradient = results(x)
    np.testing.assert_array_equal(y, x)
    assert jnp.isfinite(tangent[jnp.isfinite(x)]).all()
    np.testing.assert_array_equal(gradient, 1)


def test_derivatives_in_the_shift_are_finite_differences():
    x, inverse = jnp.asarray(IMAGES, jnp.float32), jnp.asarray(INVERSE, jnp.float32)
    shift = jnp.asarray(SHIFT, jnp.float32)
    weights = jnp.asarray(NOISE.normal(size=IMAGES.shape), jnp.float32)

    @jax.jit
    def total(shift):
        return (weights * resample(x, inverse, shift, interpolation="linear", mode="edge", fill=0)).sum()

    step = 1e-3
    slope = (total(shift + step) - total(shift - step)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(shift).sum(), slope, rtol=2e-2)


def test_images_of_one_pixel():
    @jax.jit
    def moved(x):
        shift = jnp.array([[4.0, -3.0]])
        return [resample(x, jnp.eye(2)[None], shift, interpolation="linear", mode=mode, fill=9) for mode in SCIPY]

    pixels = [float(y[0, 0, 0, 0]) for y in moved(jnp.full((1, 1, 1, 1), 5.0))]
    assert pixels == [9.0, 5.0, 5.0, 5.0, 5.0]
