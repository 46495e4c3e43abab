import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import lsq_linear

from regjax import penalties, prox

RNG = np.random.default_rng(0)


@jax.jit
@jax.vmap
def denoise(z, strength, d):
    return prox.total_variation(z, strength, axis=-1, metric=d)


def by_quadratic_program(z, strength, d):
    """The dual in float64: the minimum of |d^(-1/2) D^T u - d^(1/2) z|^2 over |u| <= strength."""
    differences = np.diff(np.eye(len(z)), axis=0)
    root = np.sqrt(d)
    u = lsq_linear((differences / root).T, root * z, (-strength, strength), method="bvls", tol=1e-14).x
    return z - differences.T @ u / d


def test_equals_a_quadratic_program():
    n, rows = 11, 48
    z = RNG.standard_normal((rows, n)).astype(np.float32)
    z[::4] = np.round(z[::4])  # ties
    log_condition = np.resize([0.0, 1.0, 6.9, 13.8], rows)[:, None]
    d = np.exp(RNG.uniform(-0.5, 0.5, z.shape) * log_condition).astype(np.float32)
    strength = np.exp(RNG.uniform(-4, 3, rows)).astype(np.float32)
    strength[:3] = 100.0
    x = np.asarray(denoise(z, strength, d))
    for row in range(rows):
        exact = by_quadratic_program(*(a[row].astype(np.float64) for a in (z, strength, d)))
        np.testing.assert_allclose(x[row], exact, atol=1e-6 * np.linalg.norm(z[row]), rtol=0)


def test_long_vectors_keep_their_digits():
    # From the pieces that were found, the values in float64; the optimality conditions of those are then exact.
    n, strength = 3000, 4.0
    z = np.cumsum(RNG.standard_normal(n)).astype(np.float32)
    x = np.asarray(prox.total_variation(z, strength, axis=-1))
    ends = np.flatnonzero(np.append(np.diff(x) != 0, True))
    sizes = np.diff(np.append(-1, ends))
    jumps = np.sign(np.diff(x[ends].astype(np.float64)))
    sums = np.add.reduceat(z.astype(np.float64), np.append(0, ends[:-1] + 1))
    exact = np.repeat((sums + strength * (np.append(jumps, 0) - np.append(0, jumps))) / sizes, sizes)
    dual = np.cumsum(z - exact)[:-1]
    assert 50 < len(ends) < n / 2
    assert np.max(np.abs(dual)) <= strength * (1 + 1e-5)
    np.testing.assert_allclose(dual[ends[:-1]], -strength * jumps, atol=1e-8)
    np.testing.assert_allclose(x, exact, atol=3e-7 * np.max(np.abs(z)))


def test_derivatives_are_those_of_the_pieces(enable_x64):
    weights = jnp.asarray(np.cos(np.arange(9)))

    @jax.jit
    def total(arguments):
        z, d, strength = arguments
        return jnp.vdot(weights, prox.total_variation(z, strength, axis=-1, metric=d))

    at = (jnp.asarray(RNG.standard_normal(9)), jnp.asarray(np.exp(RNG.uniform(-1, 1, 9))), jnp.asarray(0.3))
    direction = (jnp.asarray(np.sin(np.arange(9.0))), weights, jnp.asarray(0.7))
    slope = jax.jit(lambda arguments: optax.tree.vdot(jax.grad(total)(arguments), direction))
    curvature = jax.jit(lambda arguments: jax.jvp(slope, (arguments,), (direction,))[1])

    def difference(function):
        ahead, behind = (function(optax.tree.add_scale(at, h, direction)) for h in (1e-6, -1e-6))
        return (ahead - behind) / 2e-6

    np.testing.assert_allclose(slope(at), difference(total), rtol=1e-7)
    np.testing.assert_allclose(curvature(at), difference(slope), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_pieces_are_equal_bit_for_bit(dtype):
    steps = np.repeat([0.1, 2.3, -1.7], 20)
    z = jnp.asarray(steps + 0.1 * np.random.default_rng(0).standard_normal(60), dtype)
    x = np.asarray(prox.total_variation(z, 3.0, axis=-1).astype(jnp.float32))
    np.testing.assert_array_equal(x.reshape(3, 20), np.broadcast_to(x[::20, None], (3, 20)))
    assert len(set(x.tolist())) == 3


def test_without_strength_it_is_the_identity_bit_for_bit():
    z = RNG.standard_normal((48, 11)).astype(np.float32)
    z[:, 3:6] = [0.0, 0.0, 1e-40]
    d = np.exp(RNG.uniform(-3, 3, z.shape)).astype(np.float32)
    d[:24] = 1
    np.testing.assert_array_equal(denoise(z, np.zeros(48, np.float32), d), z)


def test_huge_strengths_give_the_mean():
    z, d = (np.exp(RNG.uniform(-3, 3, (48, 11))).astype(np.float32) for _ in range(2))
    z[:4] = 0.1
    mean = np.sum(z.astype(np.float64) * d, axis=1, keepdims=True) / np.sum(d.astype(np.float64), axis=1, keepdims=True)
    x = denoise(z, np.full(48, 1e38, np.float32), d)
    np.testing.assert_allclose(x, np.broadcast_to(mean, z.shape), rtol=1e-6)


def test_works_along_one_axis_of_any_array():
    z = RNG.standard_normal((3, 4, 2)).astype(np.float32)
    x = prox.total_variation(z, 0.3, axis=1)
    rows = np.moveaxis(z, 1, -1).reshape(6, 4).astype(np.float64)
    exact = np.stack([by_quadratic_program(row, 0.3, np.ones(4)) for row in rows])
    np.testing.assert_allclose(x, np.moveaxis(exact.reshape(3, 2, 4), -1, 1), atol=1e-6)
    np.testing.assert_array_equal(prox.total_variation(z[:, :, :1], 0.3, axis=(-1,)), z[:, :, :1])
    np.testing.assert_allclose(prox.total_variation(jnp.array([1.0, 3.0]), 0.5, axis=0), [1.5, 2.5], rtol=1e-6)
    with pytest.raises(ValueError, match=r"`axis` must be one axis for a proximal operator, got \(0, 1\)"):
        prox.total_variation(z, 0.3, axis=(1, 0))
    with pytest.raises(ValueError, match="`axis` must be in range for the leaf 's' of shape"):
        prox.total_variation({"s": jnp.float32(1.0)}, 0.3, axis=-1)


def test_the_penalty_of_several_axes_is_the_sum():
    w = jnp.array([[1.0, 3.0], [2.0, -1.0]])
    assert float(penalties.total_variation(w, 0.5, axis=0)) == 0.5 * (1 + 4)
    assert float(penalties.total_variation(w, axis=(0, 1))) == (1 + 4) + (2 + 3)
    assert float(penalties.total_variation(w, axis=None)) == 10
    assert float(penalties.total_variation(jnp.float32(2.0), axis=None)) == 0
