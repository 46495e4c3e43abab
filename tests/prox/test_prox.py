import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import penalties, prox
from tests import reference
from tests.cases import PROX, tree

RNG = np.random.default_rng(0)
# Diagonal metrics from none to a condition of 1e6, and one number for a whole leaf.
METRICS = {
    "euclidean": lambda z: None,
    "mild": lambda z: np.exp(RNG.uniform(-1, 1, z.shape)).astype(np.float32),
    "wild": lambda z: np.exp(RNG.uniform(-7, 7, z.shape)).astype(np.float32),
    "scalar": lambda z: np.float32(0.3),
}
SHAPE = (4, 3)
EUCLIDEAN = {"prox.nuclear"}
NOT_CONVEX = {"prox.l0", "prox.mcp", "prox.scad", "prox.log_sum"}


def leaf_arguments(case):
    """The arguments of a case for the kernel alone."""
    arguments = dict(case.arguments)
    if "anchor" in arguments:
        arguments["anchor"] = arguments["anchor"]["kernel"]
    return arguments


@functools.cache
def compiled(function, options):
    """The operator with its numbers traced: cases that differ in nothing else share a compilation."""
    return jax.jit(lambda z, d, numbers: function(z, **dict(options), **numbers, metric=d))


def operator_of(case):
    arguments = leaf_arguments(case)
    numbers = {name: np.float32(v) for name, v in arguments.items() if isinstance(v, float | np.ndarray)}
    numbers.setdefault("step_size", np.float32(1.0))
    operator = compiled(case.function, tuple((n, v) for n, v in arguments.items() if n not in numbers))
    return lambda z, d: operator(z, d, numbers)


def objective(case, z, d):
    """1/2 sum d (x - z)^2 + step_size * penalty(x) in float64."""
    arguments = leaf_arguments(case)
    step = arguments.pop("step_size", 1.0)
    formula = getattr(reference, case.name.split(".")[1])
    return lambda x: 0.5 * (d * (x - z) ** 2).sum() + step * formula(x, **arguments)


@pytest.mark.parametrize(
    ("case", "metric"),
    [(case, metric) for case in PROX for metric in METRICS if metric == "euclidean" or case.name not in EUCLIDEAN],
    ids=str,
)
def test_minimizes_its_penalty_by_brute_force(case, metric):
    z = RNG.standard_normal(SHAPE).astype(np.float32)
    d = METRICS[metric](z)
    x = np.asarray(operator_of(case)(z, d), np.float64)
    value = objective(case, z.astype(np.float64), 1.0 if d is None else d.astype(np.float64))
    best = value(x)

    # No entry set to 0 or to z, no group or entry scaled, and no random step of any length may do better.
    rivals = [np.where(RNG.random(SHAPE) < share, x, other) for share in (0.0, 0.5, 0.9) for other in (0.0, z)]
    for at in np.ndindex(SHAPE):
        for other in (0.0, z[at], 0.5 * x[at], 1.01 * x[at]):
            rival = x.copy()
            rival[at] = other
            rivals.append(rival)
    for axis in (0, 1):
        for index in range(SHAPE[axis]):
            for factor in (0.0, 0.99, 1.01):
                rival = np.moveaxis(x.copy(), axis, 0)
                rival[index] *= factor
                rivals.append(np.moveaxis(rival, 0, axis))
    rivals += [x + scale * RNG.standard_normal(SHAPE) for scale in (1e-3, 1e-2, 0.1, 1.0) for _ in range(50)]
    assert best <= min(map(value, rivals)) + 2e-6 * max(abs(best), 1.0)


def bisected_group(z, d, threshold):
    """The metric operator of one group by bisection in float64."""
    z, d = z.astype(np.float64), d.astype(np.float64)
    if np.linalg.norm(d * z) <= threshold:
        return np.zeros_like(z)
    low, high = 0.0, np.linalg.norm(z)
    for _ in range(200):
        middle = (low + high) / 2
        if ((d * z / (d * middle + threshold)) ** 2).sum() > 1:
            low = middle
        else:
            high = middle
    return d * z / (d + threshold / low)


@pytest.mark.parametrize("axis", [0, 1, (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("log_condition", [0.0, 2.3, 6.9, 13.8])
def test_group_lasso_in_a_metric_equals_bisection(axis, log_condition):
    z = RNG.standard_normal((6, 5, 4)).astype(np.float32)
    d = np.exp(RNG.uniform(-log_condition / 2, log_condition / 2, z.shape)).astype(np.float32)
    axes = axis if isinstance(axis, tuple) else (axis,)
    sizes = np.sqrt(((d.astype(np.float64) * z) ** 2).sum(axis=axes))
    operator = jax.jit(lambda z, d, strength: prox.group_lasso(z, strength, axis=axis, size_scaling=False, metric=d))
    for threshold in (0.0, float(np.min(sizes)) * 0.1, float(np.median(sizes)) * 0.999, float(np.max(sizes)) * 2):
        ours = np.moveaxis(np.asarray(operator(z, d, np.float32(threshold))), axes, range(len(axes)))
        z_first, d_first = (np.moveaxis(array, axes, range(len(axes))) for array in (z, d))
        others = z_first.shape[len(axes) :]
        for index in np.ndindex(others):
            group = (slice(None),) * len(axes) + index
            exact = bisected_group(z_first[group], d_first[group], float(np.float32(threshold)))
            scale = np.linalg.norm(z_first[group])
            np.testing.assert_allclose(ours[group], exact, atol=1e-6 * scale, rtol=0)
            assert (exact == 0).all() == (ours[group] == 0).all()


def test_a_metric_of_ones_is_the_euclidean_operator():
    z = np.asarray(tree()["kernel"])
    for case in [case for case in PROX if case.name not in EUCLIDEAN]:
        operator = operator_of(case)
        np.testing.assert_allclose(operator(z, None), operator(z, np.ones_like(z)), atol=3e-7)


def test_derivative_of_the_metric_group_operator_is_that_of_its_equation():
    # Central differences of the float64 bisection, in z, the metric and the strength.
    z, d, threshold = RNG.standard_normal(5), np.exp(RNG.uniform(-2, 2, 5)), 0.4
    weights = np.cos(np.arange(5))

    def ours(z, d, threshold):
        return jnp.vdot(weights, prox.group_lasso(z, threshold, axis=None, size_scaling=False, metric=d))

    def exact(z, d, threshold):
        return weights @ bisected_group(z, d, threshold)

    gradients = jax.jit(jax.grad(ours, argnums=(0, 1, 2)))(*map(jnp.float32, (z, d, threshold)))
    step = 1e-5
    for at in range(5):
        e = step * np.eye(5)[at]
        slope = (exact(z + e, d, threshold) - exact(z - e, d, threshold)) / (2 * step)
        np.testing.assert_allclose(gradients[0][at], slope, atol=1e-4)
        slope = (exact(z, d + e, threshold) - exact(z, d - e, threshold)) / (2 * step)
        np.testing.assert_allclose(gradients[1][at], slope, atol=1e-4)
    slope = (exact(z, d, threshold + step) - exact(z, d, threshold - step)) / (2 * step)
    np.testing.assert_allclose(gradients[2], slope, atol=1e-4)


def test_second_derivative_of_the_metric_group_operator(enable_x64):
    z, d = jnp.array([-1.889, -0.1748]), jnp.array([0.1281, 0.0439])

    def first(threshold):
        return prox.group_lasso(z, threshold, axis=None, size_scaling=False, metric=d)[0]

    slope, second, step = jax.jit(jax.grad(first)), jax.jit(jax.grad(jax.grad(first))), 1e-5
    for threshold in (0.158, 0.05, 0.2):
        expected = (slope(threshold + step) - slope(threshold - step)) / (2 * step)
        np.testing.assert_allclose(second(threshold), expected, rtol=1e-5, atol=1e-8)


def test_moreau_decomposition():
    # z = prox_f(z) + prox_f*(z); the conjugate of a norm is the indicator of the unit ball of its dual norm.
    z = jnp.asarray(RNG.standard_normal(50), jnp.float32)
    np.testing.assert_allclose(z - prox.l1(z, 0.7), np.clip(z, -0.7, 0.7), atol=1e-6)
    ball = z * min(1.0, 2.0 / float(jnp.linalg.norm(z)))
    np.testing.assert_allclose(z - prox.group_lasso(z, 2.0, axis=None, size_scaling=False), ball, atol=1e-6)
    # 1/2 lambda |x|^2 and |y|^2 / (2 lambda).
    np.testing.assert_allclose(z - prox.l2(z, 0.7), z * 0.7 / 1.7, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in PROX if case.name not in NOT_CONVEX], ids=str)
def test_operators_of_convex_penalties_are_firmly_nonexpansive(case):
    a, b = (
        {"bias": RNG.standard_normal(3).astype(np.float32), "kernel": RNG.standard_normal(SHAPE).astype(np.float32)}
        for _ in range(2)
    )
    operator = jax.jit(case)
    pa, pb = operator(a), operator(b)
    for name in a:
        moved, start = np.asarray(pa[name] - pb[name]), a[name] - b[name]
        assert (moved**2).sum() <= (moved * start).sum() + 1e-5


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_groups_vanish_as_a_whole(dtype):
    z = jnp.asarray(RNG.standard_normal((64, 8)), dtype)
    d = np.exp(RNG.uniform(-2, 2, (64, 8))).astype(np.float32)
    for metric in (None, d):
        operator = jax.jit(lambda z, d: prox.group_lasso(z, 1.0, axis=1, metric=d))
        x = np.asarray(operator(z, metric).astype(jnp.float32))
        rows = (x == 0).sum(axis=1)
        assert set(rows.tolist()) <= {0, 8}
        assert 0 < (rows == 8).sum() < 64


def test_huge_and_subnormal_weights():
    z = jnp.array([1e18, 1e-38, -1e-40, 3.0])
    assert jnp.all(jnp.isfinite(jax.jit(lambda z: prox.group_lasso(z, 1.0, axis=None))(z)))
    np.testing.assert_array_equal(prox.l1(z, 1.0), np.float32([1e18, 0, 0, 2]))
    np.testing.assert_array_equal(prox.l0(z, 0.5), np.float32([1e18, 0, 0, 3]))
    np.testing.assert_array_equal(prox.l1(jnp.ones(3), 1e38), np.zeros(3))
    np.testing.assert_array_equal(prox.group_lasso(jnp.ones(3), 1e38, axis=None, metric=jnp.ones(3)), np.zeros(3))


def test_l0_threshold_is_the_square_root_of_twice_the_price():
    np.testing.assert_array_equal(prox.l0(jnp.array([0.9, 1.1]), 0.5), np.float32([0.0, 1.1]))
    np.testing.assert_array_equal(
        prox.l0(jnp.array([0.9, 1.1]), 0.5, metric=jnp.array([2.0, 0.5])), [np.float32(0.9), 0]
    )


def test_double_precision_is_kept(enable_x64):
    z = jnp.asarray(RNG.standard_normal(20), jnp.float64)
    d = jnp.asarray(np.exp(RNG.uniform(-4, 4, 20)))
    x = jax.jit(lambda z, d: prox.group_lasso(z, 0.3, axis=None, size_scaling=False, metric=d))(z, d)
    assert x.dtype == jnp.float64
    np.testing.assert_allclose(x, bisected_group(np.asarray(z), np.asarray(d), 0.3), atol=1e-12)
    assert penalties.l1({"w": z, "b": jnp.ones(2, jnp.bfloat16)}).dtype == jnp.float64


def test_a_metric_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`metric` must have the structure of `tree`"):
        prox.l1({"w": jnp.ones(2)}, 1.0, metric=jnp.ones(2))
    with pytest.raises(ValueError, match=r"`metric` must have shape \(\) or \(2,\) at 'w', got \(3,\)"):
        prox.l1({"w": jnp.ones(2)}, 1.0, metric={"w": jnp.ones(3)})
    with pytest.raises(ValueError, match=r"`metric` must have shape \(\) or \(2,\), got \(3,\)"):
        prox.l1(jnp.ones(2), 1.0, metric=jnp.ones(3))
    with pytest.raises(ValueError, match="`metric` must be > 0, got"):
        prox.l1(jnp.ones(2), 1.0, metric=np.array([1.0, 0.0]))


def test_a_bad_step_size_is_refused():
    with pytest.raises(ValueError, match="`step_size` must be finite and >= 0, got -0.1"):
        prox.l1(jnp.ones(2), 1.0, -0.1)


def test_derivative_at_a_zero_group_is_0_and_without_a_threshold_the_identity():
    d = jnp.array([1.0, 2.0])

    def operator(z, strength):
        return prox.group_lasso(z, strength, axis=None, metric=d)

    jacobian = jax.jit(jax.jacobian(operator))
    np.testing.assert_array_equal(jacobian(jnp.zeros(2), 1.0), np.zeros((2, 2)))
    np.testing.assert_array_equal(jacobian(jnp.zeros(2), 0.0), np.eye(2))
