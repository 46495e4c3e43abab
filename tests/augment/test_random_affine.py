"""Random affine maps: what they draw, and that they move as they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import random_affine
from tests.augment.test_resample import IMAGES, scipy_resample

X = jnp.asarray(IMAGES, jnp.float32)


def ramp(batch, size):
    """Images whose channels are the position (down, right) of each pixel from the centre."""
    line = jnp.arange(size) - (size - 1) / 2
    grid = jnp.stack(jnp.meshgrid(line, line, indexing="ij"), -1)
    return jnp.broadcast_to(grid, (batch, *grid.shape))


def recovered(y):
    """Returns the inverse matrices and shifts by which ramps were moved, from three pixels near the centre."""
    y, middle = np.asarray(y, np.float64), y.shape[1] // 2
    at = y[:, middle, middle]
    inverse = np.stack([y[:, middle + 1, middle] - at, y[:, middle, middle + 1] - at], -1)
    place = np.full(2, middle - (y.shape[1] - 1) / 2)
    return inverse, place - np.linalg.solve(inverse, at[..., None])[..., 0]


def forward(angle, slant, scale):
    """The matrix of the docstring."""
    a, s = np.deg2rad(angle), np.tan(np.deg2rad(slant))
    return scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.array([[1, 0], [s, 1]])


@pytest.mark.usefixtures("strict_promotion")
def test_the_matrix_of_the_docstring_and_scipy():
    amounts = {"rotation": (25, 25), "shear": (-15.0, -15.0), "scale": (1.3, 1.3)}
    inverse = np.linalg.inv(forward(25, -15, 1.3))
    reference = [scipy_resample(image, inverse, np.zeros(2), 1, "constant") for image in IMAGES]
    moved = jax.jit(lambda k: random_affine(k, X, **amounts, fill=0.3))(jax.random.key(0))
    np.testing.assert_allclose(moved, reference, atol=1e-5)


def test_amounts_are_uniform_in_their_ranges_and_independent():
    ranges = {"rotation": jnp.float32(40), "shift": (0.05, 0.1), "scale": (0.5, 2.0), "shear": 20}
    y = jax.jit(lambda k, x: random_affine(k, x, **ranges))(jax.random.key(0), ramp(2000, 33))
    inverse, shift = recovered(y)
    matrix = np.linalg.inv(inverse)
    angle = np.arctan2(-matrix[:, 0, 1], matrix[:, 1, 1])
    scale = np.sqrt(np.linalg.det(matrix))
    unturned = np.stack(
        [np.stack([np.cos(angle), np.sin(angle)], -1), np.stack([-np.sin(angle), np.cos(angle)], -1)], 1
    )
    slant = (unturned @ matrix)[:, 1, 0] / scale
    amounts = np.stack(
        [
            np.rad2deg(angle) / 40,
            np.rad2deg(np.arctan(slant)) / 20,
            np.log(scale) / np.log(2),
            shift[:, 0] / 1.65,
            shift[:, 1] / 3.3,
        ]
    )
    assert abs(amounts).max() < 1 + 1e-4
    # Uniform in [-1, 1]: variance 1/3, and a fourth moment of 1/5.
    assert abs(amounts.mean(1)).max() < 5 * np.sqrt(1 / 3 / 2000)
    assert abs(amounts.var(1) - 1 / 3).max() < 5 * np.sqrt((1 / 5 - 1 / 9) / 2000)
    assert abs(np.corrcoef(amounts) - np.eye(5)).max() < 5 / np.sqrt(2000)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_no_amount_is_the_identity(dtype):
    x = X.astype(dtype)
    y = jax.jit(random_affine)(jax.random.key(0), x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, x)


def test_pairs_of_angles_are_ranges_and_may_be_traced():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(5, 7, 7, 2)), jnp.float32)
    turned = jax.jit(lambda k, x, a: random_affine(k, x, rotation=(a, a)))
    for angle, quarters in ((90.0, 1), (-90.0, -1), (180.0, 2)):
        np.testing.assert_array_equal(turned(jax.random.key(0), x, angle), np.rot90(x, quarters, (1, 2)))


def test_low_precision_is_computed_in_float32():
    low = X.astype(jnp.bfloat16)
    moved = jax.jit(lambda k, x: random_affine(k, x, rotation=30, shift=0.2, scale=(0.7, 1.5)))
    wide = moved(jax.random.key(0), low.astype(jnp.float32))
    np.testing.assert_array_equal(moved(jax.random.key(0), low), wide.astype(jnp.bfloat16))


def test_image_and_mask_move_together():
    x = {"image": X, "mask": (X[..., :1] > 0).astype(jnp.uint8)}
    amounts = {"rotation": 60, "shift": 0.3, "scale": (0.5, 1.0)}
    words, fills = {"image": "linear", "mask": "nearest"}, {"image": 0.0, "mask": 255}

    @jax.jit
    def results(*keys):
        both = random_affine(keys[0], x, **amounts, interpolation=words, fill=fills)
        nearest = random_affine(keys[1], X, **amounts, interpolation="nearest", fill=1e9)
        return both, random_affine(keys[2], X, **amounts), nearest

    both, image, nearest = results(*(jax.random.key(0) for _ in range(3)))
    np.testing.assert_array_equal(both["image"], image)
    expected = np.where(nearest[..., :1] == 1e9, 255, nearest[..., :1] > 0)
    assert both["mask"].dtype == jnp.uint8 and set(expected.ravel()) == {0, 1, 255}
    np.testing.assert_array_equal(both["mask"], expected)


def test_vmap_over_keys_and_ranges():
    keys, angles = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 10.0, 90.0])

    def moved(k, a):
        return random_affine(k, X, rotation=a, mode="reflect")

    mapped, one = jax.jit(jax.vmap(moved))(keys, angles), jax.jit(moved)
    for index in range(3):
        np.testing.assert_allclose(mapped[index], one(jax.random.clone(keys)[index], angles[index]), atol=1e-5)


def test_an_empty_batch():
    result = jax.eval_shape(lambda k: random_affine(k, X[:0], rotation=10), jax.random.key(0))
    assert result.shape == (0, *X.shape[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": -1}, "`rotation` must be finite and >= 0, got -1"),
        ({"rotation": (2, 1)}, r"`rotation\[0\]` must be <= `rotation\[1\]`"),
        ({"rotation": (1, 2, 3)}, r"`rotation` must be a number or a pair \(low, high\)"),
        ({"shear": (0, np.inf)}, "`shear` must be finite"),
        ({"shift": (0.1, 0.1, 0.1)}, "`shift` must be a number or have 2 entries"),
        ({"shift": (0.1, -0.1)}, r"`shift` must be in \[0, 1\], got -0.1"),
        ({"scale": (0.0, 1.0)}, "`scale` must be finite and > 0, got 0.0"),
        ({"mode": "mirror"}, "`mode` must be one of"),
        ({"interpolation": "cubic"}, "`interpolation` must be one of 'linear', 'nearest', got 'cubic'"),
    ],
)
def test_value_errors(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda k: random_affine(k, X, **options), jax.random.key(0))


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (X.astype(jnp.uint8), {}, TypeError, "`x` must be floating where `interpolation` is 'linear', got dtype uint8"),
        (X[0], {}, ValueError, r"`x` must have shape \[batch, height, width, channels\], got \(6, 9, 2\)"),
        (X, {"scale": 1.5}, TypeError, "`scale` must be a pair"),
        (X, {"key": None}, TypeError, "`key` must be a PRNG key"),
    ],
)
def test_other_errors(x, options, error, message):
    with pytest.raises(error, match=message):
        jax.eval_shape(lambda key: random_affine(**({"key": key, "x": x} | options)), jax.random.key(0))


def test_a_shift_in_pixels_is_refused():
    with pytest.raises(ValueError, match=r"`shift` must be in \[0, 1\], got 2"):
        random_affine(jax.random.key(0), jnp.ones((1, 4, 4, 1)), shift=2)
