import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import penalties, prox
from tests import reference

RNG = np.random.default_rng(0)
# Shapes, on both sides of where each problem stops being convex for the quotients step_size / d below.
SHAPES = {
    "huber": [{"delta": 0.3}, {"delta": 2.0}],
    "mcp": [{"gamma": 0.2}, {"gamma": 1.5}, {"gamma": 4.0}],
    "scad": [{"a": 2.1}, {"a": 3.7}, {"a": 9.0}],
    "log_sum": [{"epsilon": 0.05}, {"epsilon": 0.7}, {"epsilon": 3.0}],
}
STRENGTHS = [0.1, 0.6, 1.5]
STEPS = [0.1, 0.9, 2.5, 8.0]
METRICS = [0.2, 1.0, 5.0]
Z = np.concatenate([np.linspace(-7, 7, 57), RNG.uniform(-3, 3, 24), [0.0]]).astype(np.float32)


@pytest.mark.parametrize("name", SHAPES)
def test_is_the_global_minimizer_on_a_fine_grid(name):
    operator = jax.jit(lambda strength, step, d, shape: getattr(prox, name)(Z, strength, step, metric=d, **shape))
    formula = np.vectorize(
        lambda x, strength, shape: getattr(reference, name)(np.float64(x), strength, **shape), excluded={1, 2}
    )
    grid = np.linspace(-7.5, 7.5, 3001)
    for shape in SHAPES[name]:
        traced = {key: jnp.float32(value) for key, value in shape.items()}
        for strength in STRENGTHS:
            penalty = formula(grid, strength, shape)
            for step in STEPS:
                for d in METRICS:
                    x = np.asarray(operator(*map(jnp.float32, (strength, step, d)), traced), np.float64)
                    value = d / 2 * (x - Z) ** 2 + step * formula(x, strength, shape)
                    rivals = d / 2 * (grid - Z[:, None]) ** 2 + step * penalty
                    assert np.all(value <= rivals.min(axis=1) + 2e-6 * (1 + value)), (shape, strength, step, d)


@pytest.mark.parametrize("name", SHAPES)
def test_derivative_equals_finite_differences_of_the_operator(name, enable_x64):
    (parameter, shape), *_ = SHAPES[name][1].items()

    @jax.jit
    def operator(z, strength, step, d, shape):
        return getattr(prox, name)(z, strength, step, metric=jnp.full(z.shape, d), **{parameter: shape})

    z = jnp.asarray(Z, jnp.float64) + 0.013
    arguments = (z, *map(jnp.float64, (0.6, 0.9, 1.3, shape)))
    tangents = (jnp.cos(z), *map(jnp.float64, (0.3, -0.5, 0.7, 0.4)))
    ahead, behind = (operator(*(a + h * t for a, t in zip(arguments, tangents, strict=True))) for h in (1e-6, -1e-6))
    derivative = jax.jvp(operator, arguments, tangents)[1]
    np.testing.assert_allclose(derivative, (ahead - behind) / 2e-6, atol=1e-7)


def test_where_two_points_are_equally_good_it_is_the_smaller():
    # MCP with theta = 4 > gamma = 1: hard thresholding at sqrt(theta * gamma) = 2.
    np.testing.assert_array_equal(prox.mcp(jnp.array([-2.0, 2.0001]), 1.0, 4.0, gamma=1.0), np.float32([0, 2.0001]))
    # SCAD with a = 3: 3.5 for theta = 3, where soft thresholding gives 0.5; 6 for theta = 9 > a + 1.
    np.testing.assert_allclose(prox.scad(jnp.array([-3.5, 3.501]), 1.0, 3.0, a=3.0), [-0.5, 3.501], rtol=1e-6)
    np.testing.assert_allclose(prox.scad(jnp.array([6.0, -6.001]), 1.0, 9.0, a=3.0), [0.0, -6.001], rtol=1e-6)
    # The log-sum penalty with c = epsilon^2 is where its threshold c / epsilon starts to jump.
    np.testing.assert_array_equal(prox.log_sum(jnp.array([0.5, -0.5]), 1.0, 0.25, epsilon=0.5), [0.0, 0.0])
    # Where it does, with c = 1 and epsilon = 0.2: at 2.17313 from 0 to 1.62526, by bisection of the two objectives.
    np.testing.assert_allclose(
        prox.log_sum(jnp.array([2.1731, -2.17314]), 1.0, epsilon=0.2), [0.0, -1.62527], rtol=1e-5
    )


def test_large_weights_are_not_shrunk():
    z = jnp.array([50.0, -1e18])
    for x in (prox.mcp(z, 1.0, gamma=3.0), prox.mcp(z, 1.0, 9.0, gamma=3.0), prox.scad(z, 1.0), prox.scad(z, 1.0, 9.0)):
        np.testing.assert_array_equal(x, z)
    np.testing.assert_allclose(prox.log_sum(z, 1.0, epsilon=0.1), [50 - 1 / 50.08, -1e18], rtol=1e-6)


def test_extreme_strengths():
    z = jnp.array([1.0, 1e-38, -1e-40, 0.0])
    np.testing.assert_array_equal(prox.mcp(z, 1e18, 1e18, gamma=1e18), 0)
    np.testing.assert_array_equal(prox.scad(z, 1e18, 1e18), 0)
    np.testing.assert_array_equal(prox.log_sum(z, 1e38, epsilon=1e-6), 0)
    np.testing.assert_allclose(prox.huber(z, 1e38), 0, atol=1e-37)


def test_huber_is_ridge_for_small_weights_and_lasso_for_large_ones():
    # PyProximal's separable operator is wrong for delta < |z| <= delta + step: here between 1 and 1.5.
    np.testing.assert_allclose(prox.huber(jnp.array([1.2, 1.4, 4.0]), 0.5), [0.8, 1.4 / 1.5, 3.5], rtol=1e-6)
    assert float(penalties.huber(jnp.array([0.5, 4.0]), 2.0, delta=1.0)) == 2 * (0.125 + 3.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prox.huber(jnp.ones(2), 1.0, delta=0.0), "`delta` must be finite and > 0, got 0.0"),
        (lambda: penalties.huber(jnp.ones(2), delta=-1.0), "`delta` must be finite and > 0, got -1.0"),
        (lambda: prox.mcp(jnp.ones(2), 1.0, gamma=0), "`gamma` must be finite and > 0, got 0"),
        (lambda: penalties.mcp(jnp.ones(2), gamma=float("inf")), "`gamma` must be finite and > 0, got inf"),
        (lambda: prox.scad(jnp.ones(2), 1.0, a=2.0), "`a` must be finite and > 2, got 2.0"),
        (lambda: penalties.scad(jnp.ones(2), a=float("nan")), "`a` must be finite and > 2, got nan"),
        (lambda: prox.log_sum(jnp.ones(2), 1.0, epsilon=0.0), "`epsilon` must be finite and > 0, got 0.0"),
        (lambda: penalties.log_sum(jnp.ones(2), epsilon=jnp.ones(2)), r"`epsilon` must be a scalar, got shape \(2,\)"),
    ],
)
def test_shapes_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
