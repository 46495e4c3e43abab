"""Projections against float64, for vectors and matrices of every kind: errors relative to the result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import projections

VECTORS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "spread over eight powers of ten": lambda rng, shape: rng.standard_normal(shape) * 10.0 ** (-8 * rng.random(shape)),
    "ties": lambda rng, shape: np.round(2 * rng.standard_normal(shape)) + 0.5,
    "constant": lambda rng, shape: np.ones(shape),
    "far away": lambda rng, shape: rng.standard_normal(shape) + 1e3,
    "one huge": lambda rng, shape: np.where(np.arange(shape[-1]) == 0, 1e6, rng.standard_normal(shape)),
}


def vectors(n, count, seed=0):
    """Vectors `[kinds * count, n]` at scales from 1e-10 to 1e8, and bounds from far inside to outside."""
    rng = np.random.default_rng(seed)
    z = np.concatenate([kind(rng, (count, n)) for kind in VECTORS.values()])
    z *= 10.0 ** rng.uniform(-10, 8, (len(z), 1))
    bounds = np.abs(z).sum(axis=-1) * 10.0 ** rng.uniform(-8, 0.2, len(z))
    return z.astype(np.float32), bounds.astype(np.float32)


def exact_simplex(z, bounds):
    """The projection of vectors `[..., n]`, whose multiplier is bisected in float64."""
    z, bounds = np.asarray(z, np.float64), np.asarray(bounds, np.float64)[..., None]
    high = z.max(axis=-1, keepdims=True)
    low = high - bounds
    for _ in range(100):
        middle = (low + high) / 2
        too_much = np.maximum(z - middle, 0).sum(axis=-1, keepdims=True) > bounds
        low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
    return np.maximum(z - high, 0)


def exact_l1_ball(z, bounds):
    z = np.asarray(z, np.float64)
    inside = np.abs(z).sum(axis=-1, keepdims=True) <= np.asarray(bounds, np.float64)[..., None]
    return np.where(inside, z, np.sign(z) * exact_simplex(np.abs(z), bounds))


EXACT = {"simplex": exact_simplex, "l1_ball": exact_l1_ball}


def assert_near(ours, exact, limit):
    """Errors relative to the largest entry of each result."""
    error = np.abs(np.asarray(ours, np.float64) - exact).max(axis=-1) / np.abs(exact).max(axis=-1)
    assert error.max() < limit, f"up to {error.max():.1e}"


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("n", "count"), [(1, 20), (2, 200), (30, 200), (2000, 10), (100_000, 1)])
def test_vectors_of_every_kind(name, n, count):
    z, bounds = vectors(n, count)
    ours = np.asarray(jax.jit(jax.vmap(getattr(projections, name)))(z, bounds))
    exact = EXACT[name](z, bounds)
    assert_near(ours, exact, 1e-6)
    # Small entries become exactly 0, unless rounding decides.
    large = np.abs(exact).max(axis=-1, keepdims=True)
    assert np.all(ours[(exact == 0) & (np.abs(z) < np.abs(z).max(axis=-1, keepdims=True) - 2 * bounds[:, None])] == 0)
    assert np.all(ours[np.abs(exact) > 1e-5 * large] != 0)


def test_equal_entries_share_the_bound():
    z = jnp.full(100_000, 3.0)
    simplex, l1_ball = jax.jit(projections.simplex), jax.jit(projections.l1_ball)
    np.testing.assert_allclose(simplex(z), 1e-5, rtol=1e-6)
    np.testing.assert_allclose(l1_ball(-z, 5.0), -5e-5, rtol=1e-6)
    np.testing.assert_array_equal(simplex(jnp.array([2.0, 7.0, 7.0, 7.0, 7.0])), [0, 0.25, 0.25, 0.25, 0.25])
    np.testing.assert_array_equal(l1_ball(jnp.array([2.0, -7.0, 7.0]), 10.0), [0.0, -5.0, 5.0])


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (2, 0), (-1, -3), (1, 3), None], ids=str)
def test_vectors_along_any_axes(name, axis, dtype):
    z = jnp.asarray(np.random.default_rng(1).standard_normal((3, 4, 5, 2)), dtype)
    axes = tuple(range(4)) if axis is None else tuple(a % 4 for a in ([axis] if isinstance(axis, int) else axis))
    others = tuple(a for a in range(4) if a not in axes)
    ours = jax.jit(lambda z: getattr(projections, name)(z, 0.7, axis=axis))(z)
    assert ours.dtype == dtype

    def rows(array):
        shape = [z.shape[a] for a in others]
        return np.asarray(array.astype(jnp.float32)).transpose(others + axes).reshape(*shape, -1)

    exact = EXACT[name](rows(z), np.full([z.shape[a] for a in others], np.float32(0.7)))
    assert_near(rows(ours), exact, 1e-6 if dtype == jnp.float32 else 4e-3)


SPECTRA = {
    "condition 1e3": lambda rng, n: 10.0 ** -np.linspace(0, 3, n),
    "condition 1e6": lambda rng, n: 10.0 ** -np.linspace(0, 6, n),
    "condition 1e12": lambda rng, n: 10.0 ** -np.linspace(0, 12, n),
    "equal": lambda rng, n: np.ones(n),
    "two that repeat": lambda rng, n: np.repeat([2.0, 0.5], [n // 2, n - n // 2]),
    "rank 1": lambda rng, n: np.arange(n) == 0,
    "half the rank": lambda rng, n: np.where(np.arange(n) < n // 2, 1 + np.arange(n), 0),
    "nearly equal": lambda rng, n: 1 + 1e-6 * rng.standard_normal(n),
    "random": lambda rng, n: np.sort(np.abs(rng.standard_normal(n)))[::-1],
}
# Stacked matrices: tall, wide, square, and convolutions [stack, height, width, in, out].
LAYOUTS = [(24, 9), (9, 24), (16, 16), (3, 3, 2, 7)]


def matrices(layout, count=6):
    """Matrices `[kinds * count, *layout]` of known spectra, at scales from 1e-10 to 1e8."""
    rng = np.random.default_rng(2)
    m, n = int(np.prod(layout[:-1])), layout[-1]
    found = []
    for spectrum in SPECTRA.values():
        left, right = (np.linalg.qr(rng.standard_normal((count, size, min(m, n))))[0] for size in (m, n))
        found.append(left * spectrum(rng, min(m, n)) @ right.swapaxes(-1, -2))
    z = np.concatenate(found)
    z *= 10.0 ** rng.uniform(-10, 8, (len(z), 1, 1))
    return z.reshape(-1, *layout).astype(np.float32)


def as_matrices(x):
    return np.asarray(x, np.float64).reshape(len(x), -1, x.shape[-1])


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_spectral_norm_of_matrices_of_every_kind(layout):
    z = matrices(layout)
    u, s, vt = np.linalg.svd(as_matrices(z), full_matrices=False)
    share = np.resize([1e-3, 0.3, 0.999, 1.001], len(z))
    bounds = np.asarray(s[:, 0] * share, np.float32)
    operator = jax.vmap(lambda z, bound: projections.spectral_norm(z[None], bound, stacked_axes=1)[0])
    ours = np.asarray(jax.jit(operator)(z, bounds))
    exact = (u * np.minimum(s, bounds[:, None])[:, None, :]) @ vt
    # The operator does not expand, so the error is asked relative to what is cut down, and the bound of the result.
    error = np.linalg.norm(as_matrices(ours) - exact, 2, axis=(-1, -2)) / bounds
    assert error[share > 0.1].max() < 5e-6, f"up to {error[share > 0.1].max():.1e}"
    assert np.all(error * bounds <= 5e-6 * s[:, 0])
    np.testing.assert_array_equal(ours[share > 1], z[share > 1])
    assert np.all(np.linalg.norm(as_matrices(ours), 2, axis=(-1, -2)) <= bounds * (1 + 3e-6))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_orthogonal_of_matrices_of_every_kind(layout):
    z = matrices(layout)
    ours = as_matrices(jax.jit(lambda z: projections.orthogonal(z, stacked_axes=1))(z))
    tall = ours if ours.shape[-2] >= ours.shape[-1] else ours.swapaxes(-1, -2)
    np.testing.assert_allclose(tall.swapaxes(-1, -2) @ tall, np.tile(np.eye(tall.shape[-1]), (len(z), 1, 1)), atol=4e-6)
    # The distance is ||Z||^2 + r - 2 <Z, X>, and the inner product is at most the sum of the singular values. Where
    # the smallest of them are zero to rounding, the nearest matrix is not determined further than that.
    u, s, vt = np.linalg.svd(as_matrices(z), full_matrices=False)
    np.testing.assert_allclose((as_matrices(z) * ours).sum(axis=(-1, -2)), s.sum(axis=-1), rtol=1e-6)
    determined = s[:, -1] > 0.05 * s[:, 0]
    assert determined.any()
    np.testing.assert_allclose(ours[determined], (u @ vt)[determined], atol=1e-5)
