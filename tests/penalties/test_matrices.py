import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import diagnostics, penalties, regularizers

RNG = np.random.default_rng(0)
FUNCTIONS = [penalties.nuclear, penalties.spectral, penalties.orthogonal]
GRADIENT = jax.jit(jax.grad(penalties.nuclear))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_matrices_in_every_layout(function):
    w = RNG.standard_normal((3, 4, 5)).astype(np.float32)
    value = jax.jit(function, static_argnames="stacked_axes")
    np.testing.assert_allclose(value(w), value(w.reshape(12, 5)), rtol=1e-6)
    np.testing.assert_allclose(value(w.reshape(12, 5)), value(w.reshape(12, 5).T), rtol=1e-6)
    np.testing.assert_allclose(value(w, stacked_axes=1), sum(float(value(matrix)) for matrix in w), rtol=1e-6)
    assert float(function({"bias": jnp.ones(4), "scale": jnp.float32(2.0)})) == 0.0
    assert float(function(w, stacked_axes=2)) == 0.0
    with pytest.raises(ValueError, match="`stacked_axes` must be >= 0, got -1"):
        function(w, stacked_axes=-1)
    with pytest.raises(TypeError, match="`stacked_axes` must be a Python integer, got 1.0"):
        function(w, stacked_axes=1.0)


def orthonormal():
    u, _, vt = np.linalg.svd(RNG.standard_normal((5, 3)), full_matrices=False)
    return u, vt


@pytest.mark.parametrize(
    ("values", "kept"), [([3.0, 2.0, 0.5], 3), ([2.0, 2.0, 2.0], 3), ([2.0, 1.0, 0.0], 2), ([0.0, 0.0, 0.0], 0)]
)
def test_gradient_of_the_nuclear_norm_leaves_out_what_is_zero_to_rounding(values, kept):
    u, vt = orthonormal()
    gradient = GRADIENT(jnp.asarray((u * values) @ vt, jnp.float32))
    np.testing.assert_allclose(gradient, u[:, :kept] @ vt[:kept], atol=2e-6)


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (penalties.nuclear, [[3.0, 2.0, 0.5], [2.0, 2.0, 0.5], [2.0, 2.0, 2.0]]),
        (penalties.spectral, [[3.0, 2.0, 0.5], [2.0, 0.5, 0.5]]),  # where several are largest it has no derivative
    ],
)
def test_hessians_equal_finite_differences(function, values, enable_x64):
    first, second = map(jnp.asarray, RNG.standard_normal((2, 5, 3)))
    slope = jax.jit(lambda w: jnp.vdot(jax.grad(function)(w), first))
    curvature = jax.jit(lambda w: jax.jvp(slope, (w,), (second,))[1])
    for each in values:
        u, vt = orthonormal()
        w = jnp.asarray((u * each) @ vt)
        difference = (slope(w + 1e-6 * second) - slope(w - 1e-6 * second)) / 2e-6
        np.testing.assert_allclose(curvature(w), difference, rtol=1e-6)


def test_gradient_of_the_spectral_penalty():
    u, vt = orthonormal()
    gradient = jax.jit(jax.grad(lambda w, bound: penalties.spectral(w, 0.5, bound=bound)))
    w = jnp.asarray((u * [3.0, 2.0, 0.5]) @ vt, jnp.float32)
    np.testing.assert_allclose(gradient(w, 0.0), 0.5 * 3 * np.outer(u[:, 0], vt[0]), atol=2e-6)
    np.testing.assert_allclose(gradient(w, 1.0), 0.5 * 2 * np.outer(u[:, 0], vt[0]), atol=2e-6)
    np.testing.assert_array_equal(gradient(w, 3.5), 0)
    # Where two are largest, the mean of the two.
    w = jnp.asarray((u * [3.0, 3.0, 0.5]) @ vt, jnp.float32)
    np.testing.assert_allclose(gradient(w, 0.0), 0.5 * 3 * (u[:, :2] @ vt[:2]) / 2, atol=2e-6)


def test_gradient_of_soft_orthogonality():
    w = RNG.standard_normal((4, 3)).astype(np.float32)
    gradient = jax.jit(jax.grad(penalties.orthogonal))(jnp.asarray(w), 0.5)
    np.testing.assert_allclose(gradient, 0.5 * 4 * w @ (w.T @ w - np.eye(3)), rtol=1e-5, atol=1e-5)
    u, _ = orthonormal()
    np.testing.assert_allclose(penalties.orthogonal(jnp.asarray(u, jnp.float32)), 0, atol=1e-12)


def test_float16_does_not_overflow():
    w = jnp.full((400, 300), 60.0, jnp.float16)
    np.testing.assert_allclose(jax.jit(penalties.nuclear)(w), 60 * 120_000**0.5, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(penalties.spectral)(w), 0.5 * 3600 * 120_000, rtol=1e-5)


def test_activity_is_the_mean_over_the_batch():
    # Keras: ActivityRegularization(l1=0.3, l2=0.2) of this adds 2.65 to the loss.
    x = jnp.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    np.testing.assert_allclose(penalties.activity(x, 0.3, 2 * 0.2), 2.65, rtol=1e-6)
    both = {"a": x, "b": jnp.ones((4, 2, 2))}
    np.testing.assert_allclose(penalties.activity(both, 0.3, 0.4), 2.65 + 4 * (0.3 + 0.2), rtol=1e-6)


def test_reports_tell_that_biases_are_left_alone():
    params = {"layers": {"kernel": jnp.ones((6, 4, 4)), "bias": jnp.ones((6, 4))}}
    described = diagnostics.describe(regularizers.nuclear(0.1, stacked_axes=1), params)
    assert [row.rules for row in described.rows] == [(), ("nuclear(strength=0.1, stacked_axes=1)",)]
    described = diagnostics.describe(regularizers.huber(0.1), params)
    assert all(row.rules == ("huber(strength=0.1, delta=1.0)",) for row in described.rows)
