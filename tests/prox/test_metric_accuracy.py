"""Operators in a diagonal metric against float64, for metrics of every kind: errors relative to the size of z."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import prox

EPS = float(np.finfo(np.float32).eps)
LIMIT = 1e-6

# Metrics of a condition, all in [1 / condition, 1].
METRICS = {
    "log-uniform": lambda rng, shape, condition: condition ** -rng.random(shape),
    "two points": lambda rng, shape, condition: np.where(rng.random(shape) < 0.5, 1, 1 / condition),
    "one large": lambda rng, shape, condition: np.where(np.arange(shape[-1]) == 0, 1, 1 / condition),
    "one small": lambda rng, shape, condition: np.where(np.arange(shape[-1]) == 0, 1 / condition, 1),
}
CONDITIONS = [1.0, 10.0, 1e3, 1e6]
# How z goes with the metric: z = w / d^power. At 1 all entries count alike for the threshold, and those of small d make
# nearly all of the norm of z, which is hard for an iteration.
POWERS = [-1.0, 0.0, 0.5, 0.9, 1.0, 1.1, 2.0]
# ||d z|| / t: groups that vanish, groups that barely do not, and all others up to a threshold that is next to nothing.
RATIOS = [0.3, 0.999, 1 + 1e-6, 1 + 1e-5, 1 + 1e-4, 1 + 1e-3, 1.1, 1.5, 2.0, 3.0, 10.0, 1e2, 1e3, 1e6, 1e12]


def _numbers(rng, shape):
    """Normal numbers; some groups are spread over four powers of ten, and some have many zeros."""
    w = rng.standard_normal(shape)
    kind = rng.random((*shape[:-1], 1))
    w = np.where(kind < 0.3, w * 10.0 ** (-4 * rng.random(shape)), w)
    return np.where((kind > 0.8) & (np.arange(shape[-1]) > 0) & (rng.random(shape) < 0.6), 0, w)


def _group_norm(x):
    return np.sqrt(np.square(x).sum(axis=-1, keepdims=True))


def exact_group(z, d, threshold):
    """The operator of groups `[..., n]` with thresholds `[..., 1]`, by bisection in float64."""
    z, d, threshold = (np.asarray(a, np.float64) for a in (z, d, threshold))
    low, high = np.zeros_like(threshold), _group_norm(z)
    # Divided by the largest weight, so that no square leaves the range.
    scale = d.max(axis=-1, keepdims=True)
    d, threshold = d / scale, threshold / scale
    for _ in range(70):
        middle = (low + high) / 2
        denominator = d * middle + threshold
        ratio = d * z / np.where(denominator == 0, 1, denominator)
        too_small = np.square(ratio).sum(axis=-1, keepdims=True) > 1
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    denominator = d * high + threshold
    x = d * z * high / np.where(denominator == 0, 1, denominator)
    return np.where(_group_norm(d * z) <= threshold, 0, x)


def group_problems(n, scales, seed=0, repeats=2):
    """Groups `[g, n]` in every metric, condition, power and ratio, with thresholds `[g, 1]`, in float32."""
    rng = np.random.default_rng(seed)
    kinds = list(itertools.product(METRICS.values(), CONDITIONS, POWERS))
    shape = (len(RATIOS) * repeats, n)
    d = np.concatenate([np.broadcast_to(metric(rng, shape, condition), shape) for metric, condition, _ in kinds])
    powers = np.repeat([power for _, _, power in kinds], shape[0])[:, None]
    z = _numbers(rng, d.shape) / d**powers
    ratios = np.tile(RATIOS, repeats * len(kinds))[:, None]
    (z_low, z_high), (d_low, d_high) = scales
    z *= 10.0 ** rng.uniform(z_low, z_high, ratios.shape) / np.abs(z).max(axis=-1, keepdims=True)
    d = d * 10.0 ** rng.uniform(d_low, d_high, ratios.shape)
    z, d = z.astype(np.float32), d.astype(np.float32)
    return z, d, (_group_norm(d.astype(np.float64) * z) / ratios).astype(np.float32)


def hard_groups(n, seed=0, count=4000):
    """Groups whose large entries have small weights and whose threshold is about what the large weights see.

    There the size of the result changes from that of the small entries to that of the large ones.
    """
    rng = np.random.default_rng(seed)
    shape = (count, n)
    exponents = np.where(rng.random((count, 1)) < 0.4, rng.random(shape), rng.random(shape) < 0.5)
    d = 10.0 ** (-6 * np.where(np.arange(n) == 0, 1, np.where(np.arange(n) == 1, 0, exponents)))
    z = rng.standard_normal(shape) * 10.0 ** (rng.choice([0.0, 0.3, 1.0], (count, 1)) * rng.standard_normal(shape)) / d
    z, d = (z / np.abs(z).max(axis=-1, keepdims=True)).astype(np.float32), d.astype(np.float32)
    seen = _group_norm(np.where(d > 10.0 ** rng.uniform(-6, -0.5, (count, 1)), d.astype(np.float64) * z, 0))
    offsets = rng.choice([-1, 1], (count, 1)) * 10.0 ** rng.uniform(-6, 0, (count, 1))
    return z, d, (seen * (1 + 0.9 * offsets)).astype(np.float32)


# Powers of ten of the largest entries of z and d; a condition of 1e6 comes below those of d.
SCALES = {
    "one": ((0, 0), (0, 0)),
    "metrics of Adam": ((-4, 1), (-2, -2)),
    "tiny metrics": ((-2, 2), (-6, -6)),
    "wide": ((-6, 6), (-6, 6)),
    "all": ((-12, 8), (-6, 8)),
}


@functools.cache
def group_operator(axis=None, size_scaling=False):
    def operator(z, d, threshold):
        return prox.group_lasso(z, threshold, axis=axis, size_scaling=size_scaling, metric=d)

    return jax.jit(jax.vmap(operator))


@functools.cache
def sparse_group_operator():
    def operator(z, d, l1, group):
        return prox.sparse_group_lasso(z, l1, group, axis=None, size_scaling=False, metric=d)

    return jax.jit(jax.vmap(operator))


def assert_groups(ours, exact, z, ratio):
    """Every error below 1e-6 of the norm of the group, and groups zero or not as they must be."""
    ours = np.asarray(ours, np.float64)
    assert np.all(np.isfinite(ours))
    error = (_group_norm(ours - exact) / _group_norm(z.astype(np.float64)))[..., 0]
    assert error.max() < LIMIT, f"up to {error.max():.1e}, {np.sum(error >= LIMIT)} of {error.size} groups"
    is_zero = np.all(ours == 0, axis=-1)
    # Float32 cannot tell a norm from a threshold that is nearer than some roundings.
    np.testing.assert_array_equal(is_zero[ratio < 1 - 5e-7], True)
    np.testing.assert_array_equal(is_zero[ratio > 1 + 8e-7], False)


def ratio_of(z, d, threshold):
    return (_group_norm(d.astype(np.float64) * z) / threshold)[..., 0]


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("n", [1, 2, 12, 300])
def test_group_lasso(n, scales):
    z, d, threshold = group_problems(n, SCALES[scales], repeats=2 if n < 100 else 1)
    ours = group_operator()(z, d, threshold[:, 0])
    assert_groups(ours, exact_group(z, d, threshold), z, ratio_of(z, d, threshold))


@pytest.mark.parametrize("n", [2, 12, 300])
def test_group_lasso_where_large_entries_have_small_weights(n):
    z, d, threshold = hard_groups(n, count=4000 if n < 100 else 1000)
    ours = group_operator()(z, d, threshold[:, 0])
    assert_groups(ours, exact_group(z, d, threshold), z, ratio_of(z, d, threshold))


# Axes of a leaf [3, 4, 5], as the other axes that index groups and those of a group.
AXES = {0: ((1, 2), (0,)), -1: ((0, 1), (2,)), (0, 2): ((1,), (0, 2)), (-1, -2): ((0,), (1, 2)), None: ((), (0, 1, 2))}
AXES[(0, 1, 2)] = AXES[None]


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_group_lasso_along_any_axes(axis):
    # Leaves with one threshold each, whose groups are scaled to be on all sides of it.
    rng = np.random.default_rng(3)
    others, group = AXES[axis]
    order = (0, *(1 + a for a in (*others, *group)))
    moved = (50, *(np.array([3, 4, 5])[list(others + group)]))
    flat = (50, -1, int(np.prod(moved[1 + len(others) :])))
    d = (1e6 ** -rng.random(moved)).reshape(flat)
    z = _numbers(rng, d.shape) / d ** rng.choice(POWERS, (*d.shape[:-1], 1))
    d = d.astype(np.float32)
    threshold = (10.0 ** rng.uniform(-3, 1, (50, 1, 1))).astype(np.float32)
    with_size = threshold * np.sqrt(np.float64(flat[-1]))
    z = (z * with_size * rng.choice(RATIOS, (*z.shape[:-1], 1)) / _group_norm(d * z)).astype(np.float32)
    back = np.argsort(order)
    ours = group_operator(axis, size_scaling=True)(
        *(jnp.asarray(a.reshape(moved).transpose(back)) for a in (z, d)), threshold[:, 0, 0]
    )
    ours = np.asarray(ours).transpose(order).reshape(flat)
    exact = exact_group(z, d, np.broadcast_to(with_size, (*z.shape[:-1], 1)))
    assert_groups(ours, exact, z, ratio_of(z, d, with_size))


def test_one_weight_for_a_whole_leaf():
    z, _, _ = group_problems(12, SCALES["one"])
    d = (10.0 ** np.random.default_rng(4).uniform(-8, 2, len(z))).astype(np.float32)
    threshold = (_group_norm(z.astype(np.float64) * d[:, None])[:, 0] / np.resize(RATIOS, len(z))).astype(np.float32)
    exact = exact_group(z, np.broadcast_to(d[:, None], z.shape), threshold[:, None])
    assert_groups(group_operator()(z, d, threshold), exact, z, ratio_of(z, d[:, None], threshold[:, None]))


def test_a_group_at_its_threshold_vanishes_and_just_above_it_does_not():
    z, d = np.tile(np.float32([3.0, 4e3]), (3, 1)), np.tile(np.float32([1.0, 1e-3]), (3, 1))
    # 2^-10 for the weight makes all exact in float32.
    z[:, 1], d[:, 1] = 4 * 1024, 1 / 1024
    threshold = np.float32([5, np.nextafter(np.float32(5), np.float32(0)), np.nextafter(np.float32(5), np.float32(6))])
    x = np.asarray(group_operator()(z, d, threshold))
    np.testing.assert_array_equal(x != 0, [[False] * 2, [True] * 2, [False] * 2])


@pytest.mark.parametrize("scales", SCALES)
def test_sparse_group_lasso(scales):
    z, d, threshold = group_problems(12, SCALES[scales], seed=1)
    wide_z, wide_d = z.astype(np.float64), d.astype(np.float64)
    ratio = ratio_of(z, d, threshold)[:, None]
    # The first threshold takes none, hardly any or about half of the entries; the second is set by what it leaves.
    middle = np.quantile(np.abs(wide_d * wide_z), 0.5, axis=-1, keepdims=True)
    l1 = np.asarray(middle * np.random.default_rng(2).choice([0, 1e-6, 1e-2, 1], (len(z), 1)), np.float32)
    left = np.sign(wide_z) * np.maximum(np.abs(wide_z) - l1 / wide_d, 0)
    group = np.asarray(_group_norm(wide_d * left) / ratio, np.float32)
    ours = sparse_group_operator()(z, d, l1[:, 0], group[:, 0])
    # Soft thresholding leaves some entries with few digits of their own, so that of groups that barely do not vanish
    # only the error is asked, not which of them do.
    clear = np.abs(ratio - 1) > 1e-2
    assert_groups(ours, exact_group(left, wide_d, group), z, np.where(clear, ratio, 1)[:, 0])


def test_sparse_group_lasso_takes_all_entries_by_its_first_threshold():
    z, d, _ = group_problems(12, SCALES["wide"])
    l1 = np.abs(z.astype(np.float64) * d).max(axis=-1).astype(np.float32) * np.float32(1 + 1e-6)
    np.testing.assert_array_equal(sparse_group_operator()(z, d, l1, np.zeros_like(l1)), 0)
    np.testing.assert_array_equal(sparse_group_operator()(z, d, l1, 0.1 * l1), 0)


def _directional(function, arguments, relative, step):
    """The derivative when every argument moves by a share of itself, by central differences in float64."""
    ahead, behind = (
        function(*(np.float64(a) * (1 + sign * step * r) for a, r in zip(arguments, relative, strict=True)))
        for sign in (1, -1)
    )
    return (ahead - behind) / (2 * step)


@pytest.mark.parametrize(
    "problems", [lambda: group_problems(12, SCALES["one"]), lambda: hard_groups(12)], ids=["all", "hard"]
)
def test_derivative_of_group_lasso(problems):
    z, d, threshold = problems()
    keep = ratio_of(z, d, threshold) > 1 + 5e-6
    z, d, threshold = z[keep], d[keep], threshold[keep]
    rng = np.random.default_rng(5)
    relative = [rng.standard_normal(a.shape) for a in (z, d, threshold)]
    exact = _directional(exact_group, (z, d, threshold), relative, 1e-8)
    tangents = [np.float32(a * r) for a, r in zip((z, d, threshold), relative, strict=True)]
    primals = (z, d, threshold[:, 0])
    ours = jax.jvp(group_operator(), primals, (*tangents[:2], tangents[2][:, 0]))[1]
    error = _group_norm(np.asarray(ours, np.float64) - exact) / _group_norm(z.astype(np.float64))
    # The derivative changes fast where the size of the result does; roundings of the input are seen there.
    assert np.quantile(error, 0.99) < 1e-5
    assert error.max() < 5e-3, f"up to {error.max():.1e}"
    # Reverse mode is the transpose of the same.
    weights = np.float32(rng.standard_normal(z.shape))
    gradients = jax.vjp(group_operator(), *primals)[1](weights)
    pairs = zip(gradients, tangents, strict=True)
    parts = np.concatenate([np.float64(g).reshape(len(z), -1) * t.reshape(len(z), -1) for g, t in pairs], axis=-1)
    off = np.abs(parts.sum(axis=-1) - (weights * np.float64(ours)).sum(axis=-1))
    assert np.all(off <= 1e-5 * np.abs(parts).sum(axis=-1))


def test_nothing_is_nan_at_zero_groups_and_at_zero_and_huge_strengths():
    rng = np.random.default_rng(6)
    scales = 10.0 ** rng.uniform(-12, 8, (600, 1))
    z = np.float32(rng.standard_normal((600, 5)) * 10.0 ** rng.uniform(-12, 8, (600, 1)))
    z[::3] = 0
    z[1::3, 2] = 0
    d = np.float32(scales * 1e6 ** -rng.random(z.shape))
    strengths = np.resize(np.float32([0, 1e-30, 1, 1e30, 3e38]), 600)
    rng.shuffle(strengths)

    def total(z, d, strength):
        both = prox.group_lasso(z, strength, axis=None, metric=d)
        both += prox.sparse_group_lasso(z, strength, strength, axis=None, metric=d)
        return jnp.vdot(jnp.cos(jnp.arange(5.0)), both)

    gradient = jax.grad(total, argnums=(0, 1, 2))
    x = np.asarray(group_operator()(z, d, strengths))
    np.testing.assert_array_equal(x[strengths == 0], z[strengths == 0])
    np.testing.assert_array_equal(x[strengths >= 1e30], 0)
    np.testing.assert_array_equal(x[::3], 0)
    for part in jax.jit(jax.vmap(gradient))(z, d, strengths):
        np.testing.assert_array_equal(np.isfinite(part), True)


# Each gets |z|, d, step_size, strengths and shape as float64 arrays, and returns |x|.


def exact_l1(u, d, step, strength):
    return np.maximum(u - step * strength / d, 0)


def exact_l2(u, d, step, strength):
    return d * u / (d + step * strength)


def exact_elastic_net(u, d, step, l1, l2):
    return np.maximum(d * u - step * l1, 0) / (d + step * l2)


def exact_l0(u, d, step, strength):
    return np.where(d * u**2 > 2 * step * strength, u, 0)


def _best(objective, candidates):
    """The best candidate; of equally good ones the first."""
    candidates = np.stack(np.broadcast_arrays(*candidates))
    best = np.argmin(objective(candidates), axis=0, keepdims=True)
    return np.take_along_axis(candidates, best, axis=0)[0]


def _within(numerator, curvature, low, high):
    """The stationary point of a piece of the objective that is a convex parabola, moved into the piece; else an end."""
    return np.clip(np.where(curvature > 0, numerator / np.where(curvature > 0, curvature, 1), low), low, high)


def exact_mcp(u, d, step, strength, gamma):
    end = gamma * strength

    def objective(x):
        value = np.where(x <= end, strength * x - x**2 / (2 * gamma), gamma * strength**2 / 2)
        return d / 2 * (x - u) ** 2 + step * value

    rising = _within(d * u - step * strength, d - step / gamma, 0, end)
    return _best(objective, [np.zeros_like(u), rising, np.maximum(u, end)])


def exact_scad(u, d, step, strength, a):
    end = a * strength

    def objective(x):
        middle = (2 * a * strength * x - x**2 - strength**2) / (2 * (a - 1))
        value = np.where(x <= strength, strength * x, np.where(x <= end, middle, strength**2 * (a + 1) / 2))
        return d / 2 * (x - u) ** 2 + step * value

    soft = np.clip(u - step * strength / d, 0, strength)
    falling = _within(d * u - step * end / (a - 1), d - step / (a - 1), strength, end)
    return _best(objective, [np.zeros_like(u), soft, falling, np.maximum(u, end)])


def exact_log_sum(u, d, step, strength, epsilon):
    c = step * strength / d
    low = start = np.maximum((u - epsilon) / 2, 0)
    high = u
    for _ in range(70):
        middle = (low + high) / 2
        too_small = (middle - u) * (middle + epsilon) + c < 0
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    # Without a point where the slope is negative there is no root.
    root = np.where((start - u) * (start + epsilon) + c < 0, high, 0)
    return _best(lambda x: (x - u) ** 2 / 2 + c * np.log1p(x / epsilon), [np.zeros_like(u), root])


def _strengths(rng, at):
    """Strengths on all sides of that for which the threshold is at an entry."""
    return np.clip(at / rng.choice(RATIOS, at.shape), 1e-30, 1e30)


def _critical(rng, count):
    """Numbers around 1, some of them next to it, and far from it."""
    return np.where(
        rng.random(count) < 0.2,
        1 + rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-5, -1, count),
        10.0 ** rng.uniform(-3, 3, count),
    )


def _mcp_numbers(rng, u, d, step):
    theta = step / d
    gamma = np.clip(theta * _critical(rng, len(u)), 1e-15, 1e15)
    return [_strengths(rng, u / np.choose(rng.integers(0, 3, len(u)), [theta, gamma, np.sqrt(theta * gamma)])), gamma]


def _scad_numbers(rng, u, d, step):
    theta = step / d
    a = np.where(theta > 1.1, 1 + theta * _critical(rng, len(u)), 0)
    a = np.clip(np.where(rng.random(len(u)) < 0.3, 3.7, a), 2.001, 1e15)
    at = [theta, 1 + theta, a, (a + 1 + theta) / 2, np.sqrt(theta * (a + 1))]
    return [_strengths(rng, u / np.choose(rng.integers(0, 5, len(u)), at)), a]


def _log_sum_numbers(rng, u, d, step):
    epsilon = u * 10.0 ** rng.uniform(-4, 4, len(u))
    c = np.choose(rng.integers(0, 2, len(u)), [u * epsilon, (u + epsilon) ** 2 / 4])
    return [_strengths(rng, c * d / step), epsilon]


# From a name to the reference, the names of the shapes, and strengths and shapes to try.
ENTRYWISE = {
    "l1": (exact_l1, (), lambda rng, u, d, step: [_strengths(rng, d * u / step)]),
    "l2": (exact_l2, (), lambda rng, u, d, step: [_strengths(rng, d / step)]),
    "elastic_net": (
        exact_elastic_net,
        (),
        lambda rng, u, d, step: [_strengths(rng, d * u / step), _strengths(rng, 1e4 * d / step)],
    ),
    "l0": (exact_l0, (), lambda rng, u, d, step: [_strengths(rng, d * u**2 / (2 * step))]),
    "mcp": (exact_mcp, ("gamma",), _mcp_numbers),
    "scad": (exact_scad, ("a",), _scad_numbers),
    "log_sum": (exact_log_sum, ("epsilon",), _log_sum_numbers),
}
CONTINUOUS = {"l1", "l2", "elastic_net"}


def entrywise(name):
    """The operator of one entry, as a function of z, d, step_size, strengths and shape."""
    shape = ENTRYWISE[name][1]

    def operator(z, d, step, *numbers):
        split = len(numbers) - len(shape)
        named = dict(zip(shape, numbers[split:], strict=True))
        return getattr(prox, name)(z, *numbers[:split], step, metric=d, **named)

    return operator


def entry_problems(name, count=20000):
    """Entries at all scales with weights at all scales and steps, strengths and shapes, in float32."""
    rng = np.random.default_rng(7)
    u, d, step = (10.0 ** rng.uniform(*powers, count) for powers in ((-12, 8), (-12, 8), (-4, 2)))
    numbers = ENTRYWISE[name][2](rng, u, d, step)
    return rng.choice([-1, 1], count), *(np.asarray(number, np.float32) for number in (u, d, step, *numbers))


@pytest.mark.parametrize("name", ENTRYWISE)
def test_entrywise(name):
    sign, u, d, *rest = entry_problems(name)
    ours = sign * np.asarray(jax.jit(jax.vmap(entrywise(name)))(sign * u, d, *rest), np.float64)
    assert np.all(np.isfinite(ours))
    u, d, *rest = (np.float64(number) for number in (u, d, *rest))
    reference = ENTRYWISE[name][0]
    exact = reference(u, d, *rest)
    # Where the operator jumps, or is as steep as a jump, roundings of its input decide. It grows with the weight.
    slack = 2 * EPS
    below, above = reference(u, d * (1 - slack), *rest), reference(u, d * (1 + slack), *rest)
    error = (np.maximum(below - ours, ours - above) / u).max()
    assert error < LIMIT, f"up to {error:.1e}"
    steady = above - below < 1e-6 * u
    assert steady.mean() > (0.999 if name in CONTINUOUS else 0.97)
    error = (np.abs(ours - exact) / u)[steady]
    assert error.max() < LIMIT, f"up to {error.max():.1e}"
    np.testing.assert_array_equal(ours[above == 0], 0)
    assert np.all(ours[below > 1e-30] > 0)


@pytest.mark.parametrize("name", ENTRYWISE)
def test_nothing_of_an_entry_is_nan_at_zero_and_at_zero_and_huge_strengths(name):
    sign, u, d, step, *numbers = entry_problems(name, 2000)
    u[::5] = 0
    for strength in numbers[: len(numbers) - len(ENTRYWISE[name][1])]:
        strength[0::3], strength[1::3] = 0, 1e30
    for shape in numbers[len(numbers) - len(ENTRYWISE[name][1]) :]:
        shape[:] = np.clip(shape, 2.001 if name == "scad" else 1e-3, 1e3)
    operator = jax.value_and_grad(entrywise(name), argnums=tuple(range(3 + len(numbers))))
    value, gradients = jax.jit(jax.vmap(operator))(np.float32(sign * u), d, step, *numbers)
    np.testing.assert_array_equal(value[0::3], (sign * u)[0::3])
    np.testing.assert_array_equal(value[::5], 0)
    np.testing.assert_allclose(value[1::3], 0, atol=1e-12)
    for gradient in gradients:
        np.testing.assert_array_equal(np.isfinite(gradient), True)
