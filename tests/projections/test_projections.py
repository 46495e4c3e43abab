import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

from regjax import projections
from tests.cases import PROJECTIONS, tree

RNG = np.random.default_rng(0)
IDS = {"ids": str}
CONVEX = [
    case
    for case in PROJECTIONS
    # Spheres, shells and the orthogonal matrices are not convex.
    if case.name not in {"projections.unit_norm", "projections.min_max_norm", "projections.orthogonal"}
]


def norms(w, axis):
    if axis == "auto":
        axis = tuple(range(w.ndim - 1))
    return np.sqrt((np.asarray(w, np.float64) ** 2).sum(axis=axis))


def violation(case, w):
    """How far an array is from satisfying the definition of the set, in float64."""
    w = np.asarray(w, np.float64)
    name, arguments = case.name.split(".")[1], case.arguments
    of_matrices = name in {"spectral_norm", "orthogonal"}
    axis = arguments.get("axis", "auto" if name.endswith("norm") or of_matrices else None)
    if axis == "auto" and w.ndim < 2:
        return 0.0
    bound = arguments.get("bound", 1.0)
    match name:
        case "max_norm" | "l2_ball":
            return np.max(norms(w, axis) - bound)
        case "unit_norm":
            n = norms(w, axis)
            return np.max(np.abs(n - 1)[n > 0])
        case "min_max_norm":
            n = norms(w, axis)
            n = n[n > 0]
            return max(np.max(n - arguments["maximum"]), np.max(arguments["minimum"] - n))
        case "non_negative":
            return np.max(-w)
        case "box":
            return max(np.max(w - arguments["upper"]), np.max(arguments["lower"] - w))
        case "l1_ball":
            return np.max(np.abs(w).sum(axis=axis) - bound)
        case "linf_ball":
            return np.max(np.abs(w) - bound)
        case "spectral_norm":
            return np.max(np.linalg.svd(w, compute_uv=False)) - bound
        case "orthogonal":
            return np.max(np.abs(np.linalg.svd(w, compute_uv=False) - 1))
        case "simplex":
            return max(np.max(-w), np.max(np.abs(w.sum(axis=axis) - bound)))
    raise AssertionError(name)


def trees():
    yield tree()
    for scale in (0.1, 1.0, 30.0):
        yield jax.tree.map(lambda leaf, s=scale: s * RNG.standard_normal(leaf.shape).astype(np.float32), tree())


@pytest.mark.parametrize("case", PROJECTIONS, **IDS)
def test_result_is_feasible_and_stays_where_it_is(case):
    operator = jax.jit(case)
    whole_way = case.arguments.get("rate", 1.0) == 1.0
    for before in trees():
        after = operator(before)
        for name, leaf in after.items():
            if whole_way:
                assert violation(case, leaf) <= 2e-6, name
        if whole_way:
            again = operator(after)
            for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(again), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("case", PROJECTIONS, **IDS)
def test_inside_the_set_the_result_is_the_input_bit_for_bit(case):
    operator = jax.jit(case)
    inside = operator(jax.tree.map(lambda leaf: 0.4 * leaf, tree()))
    if case.name not in {"projections.simplex", "projections.orthogonal"} and case in CONVEX:
        # Strictly inside, where there is an inside.
        inside = jax.tree.map(lambda leaf: 0.9 * leaf, inside)
    elif "min_max" in case.name or "unit" in case.name:
        inside = {"bias": jnp.array([0.6, 0.0, 0.8]), "kernel": jnp.eye(4, 3)}
    for a, b in zip(jax.tree.leaves(inside), jax.tree.leaves(operator(inside)), strict=True):
        np.testing.assert_array_equal(np.asarray(a).view(np.int32), np.asarray(b).view(np.int32))


@pytest.mark.parametrize("case", CONVEX, **IDS)
def test_projections_onto_convex_sets_are_nonexpansive(case):
    some = list(trees())
    operator = jax.jit(case)
    for a, b in itertools.pairwise(some):
        pa, pb = operator(a), operator(b)
        for name in a:
            moved, start = np.asarray(pa[name] - pb[name]), np.asarray(a[name] - b[name])
            assert (moved**2).sum() <= (start**2).sum() * (1 + 1e-5)


@pytest.mark.parametrize("case", CONVEX, **IDS)
def test_result_is_the_nearest_feasible_point(case):
    # For a convex set: (z - P z) . (y - P z) <= 0 for every feasible y.
    operator = jax.jit(case)
    for before in trees():
        after = operator(before)
        for _ in range(20):
            anywhere = jax.tree.map(lambda leaf: 3 * RNG.standard_normal(leaf.shape).astype(np.float32), before)
            feasible = operator(anywhere)
            for name in before:
                normal = np.asarray(before[name] - after[name], np.float64)
                towards = np.asarray(feasible[name] - after[name], np.float64)
                assert (normal * towards).sum() <= 1e-5 * (1 + np.abs(normal).sum())


@pytest.mark.parametrize("name", ["simplex", "l1_ball"])
def test_equals_a_general_solver(name):
    z = RNG.standard_normal(6)
    ours = jax.jit(getattr(projections, name))(jnp.asarray(z, jnp.float32), 1.0)
    if name == "simplex":
        problem = {"bounds": [(0, None)] * 6, "constraints": {"type": "eq", "fun": lambda x: x.sum() - 1}}
        solution = minimize(lambda x: ((x - z) ** 2).sum(), np.full(6, 1 / 6), method="SLSQP", tol=1e-12, **problem).x
    else:
        # The ball in split variables x = p - q with p, q >= 0.
        problem = {"bounds": [(0, None)] * 12, "constraints": {"type": "ineq", "fun": lambda x: 1 - x.sum()}}
        split = minimize(
            lambda x: ((x[:6] - x[6:] - z) ** 2).sum(), np.full(12, 0.01), method="SLSQP", tol=1e-12, **problem
        ).x
        solution = split[:6] - split[6:]
    np.testing.assert_allclose(ours, solution, atol=1e-5)


def test_one_vector_agrees_with_optax():
    z = jnp.asarray(RNG.standard_normal(40), jnp.float32)
    theirs = optax.projections
    for ours, other, bound in (
        (projections.simplex, theirs.projection_simplex, 1.0),
        (projections.l1_ball, theirs.projection_l1_ball, 2.0),
        (projections.l2_ball, theirs.projection_l2_ball, 2.0),
    ):
        np.testing.assert_allclose(*jax.jit(lambda z, a=ours, b=other, r=bound: (a(z, r), b(z, r)))(z), atol=1e-6)


def test_axis_makes_one_vector_of_each_slice():
    z = jnp.asarray(RNG.standard_normal((3, 4, 5)), jnp.float32)
    for axis, others in ((1, 2), (-1, 0), ((0, 2), 1)):
        for name in ("simplex", "l1_ball", "l2_ball"):
            index = [slice(None)] * 3
            index[others] = 1
            if axis != (0, 2):
                index[({0, 1, 2} - {axis % 3, others}).pop()] = 2

            @jax.jit
            def of_all_and_of_one(z, name=name, axis=axis, at=tuple(index)):
                function = getattr(projections, name)
                return function(z, 0.7, axis=axis)[at], function(z[at], 0.7)

            np.testing.assert_allclose(*of_all_and_of_one(z), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "axis", "unit_axes"),
    [
        ((5, 3), "auto", (0,)),  # Dense [in, out]
        ((3, 3, 4, 2), "auto", (0, 1, 2)),  # Conv [height, width, in, out]
        ((2, 4, 3, 3), (1, 2, 3), (1, 2, 3)),  # [out, in, height, width]
        ((7, 4), 1, (1,)),  # embedding [vocabulary, features]
        ((6, 2, 3), 0, (0,)),  # attention [features, heads, head_features]
        ((4, 5, 3), 1, (1,)),  # scanned Dense [layers, in, out]
        ((5, 3), None, (0, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_max_norm_in_every_layout(shape, axis, unit_axes, dtype):
    w = jnp.asarray(RNG.standard_normal(shape), dtype)
    before = np.sqrt((np.asarray(w.astype(jnp.float32), np.float64) ** 2).sum(axis=unit_axes, keepdims=True))
    bound = float(np.median(before)) if before.size > 1 else 0.5 * before.item()
    after = jax.jit(lambda w: projections.max_norm(w, bound, axis=axis))(w)
    expected = np.asarray(w.astype(jnp.float32), np.float64) * np.minimum(1, bound / before)
    np.testing.assert_allclose(after.astype(jnp.float32), expected, rtol=2 * float(jnp.finfo(dtype).eps))
    inside = np.broadcast_to(before < bound * 0.999, shape)
    np.testing.assert_array_equal(np.asarray(after)[inside], np.asarray(w)[inside])


def test_max_norm_leaves_biases_alone_unless_told():
    bias = jnp.array([3.0, 4.0])
    assert projections.max_norm({"bias": bias}, 1.0)["bias"] is bias
    np.testing.assert_allclose(projections.max_norm(bias, 1.0, axis=0), [0.6, 0.8], rtol=1e-6)


def test_small_and_zero_units():
    # Keras divides by epsilon + norm, which cuts this column to 17 %.
    tiny = jnp.full((4, 2), 1e-8).at[:, 1].set(0.0)
    np.testing.assert_array_equal(projections.max_norm(tiny, 1.0), tiny)
    np.testing.assert_allclose(projections.unit_norm(tiny)[:, 0], 0.5, rtol=1e-6)
    np.testing.assert_array_equal(projections.unit_norm(tiny)[:, 1], 0)
    np.testing.assert_array_equal(projections.min_max_norm(tiny, 0.5, 1.0)[:, 1], 0)
    np.testing.assert_array_equal(projections.max_norm(tiny, float("inf")), tiny)
    np.testing.assert_array_equal(projections.l2_ball(jnp.full((4, 300), 60, jnp.float16), 60 * 1200**0.5 * 1.01), 60)


def test_min_max_norm_goes_part_of_the_way():
    w = jnp.array([[3.0], [4.0]])
    np.testing.assert_allclose(projections.min_max_norm(w, 0.0, 1.0, rate=0.5), w * 3 / 5, rtol=1e-6)


def test_vectors_far_outside_a_small_set():
    z = jnp.array([1e6, 1e6 + 0.5, -1e6])
    simplex, l1_ball = jax.jit(projections.simplex), jax.jit(projections.l1_ball)
    np.testing.assert_allclose(simplex(z, 1.0), [0.25, 0.75, 0.0], atol=1e-6)
    np.testing.assert_allclose(simplex(jnp.array([1e8, 1.0]), 1.0), [1.0, 0.0])
    np.testing.assert_allclose(simplex(jnp.array([3e7, 3e7]), 1.0), [0.5, 0.5])
    np.testing.assert_allclose(simplex(jnp.array([1.0, 1.0, 0.5]), 1e-9), [5e-10, 5e-10, 0.0])
    np.testing.assert_allclose(l1_ball(jnp.array([1e8, -1.0]), 1.0), [1.0, 0.0])
    np.testing.assert_allclose(l1_ball(jnp.array([1.0, -1.0, 0.5]), 1e-9), [5e-10, -5e-10, 0.0])


def test_derivatives_at_feasible_points_are_those_of_the_projection():
    # On the sphere the tangent directions pass and the normal one does not; on the simplex all but the sum pass.
    sphere = jax.jit(jax.jacobian(lambda w: projections.unit_norm(w, axis=0)))(jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(sphere, [[0, 0], [0, 1]], atol=1e-6)
    simplex = jax.jit(jax.jacobian(projections.simplex))(jnp.array([0.5, 0.5]))
    np.testing.assert_allclose(simplex, [[0.5, -0.5], [-0.5, 0.5]], atol=1e-6)
    for function in (projections.max_norm, projections.l1_ball, projections.l2_ball):
        ball = jax.jit(jax.jacobian(lambda w, f=function: f(w, 1.0, axis=0)))
        for inside in (jnp.array([0.3, 0.4]), jnp.zeros(2)):
            np.testing.assert_allclose(ball(inside), np.eye(2), atol=1e-6)


def test_second_derivatives_of_a_norm_constraint(enable_x64):
    w = jnp.array([1.2, 0.9, -0.4])

    def total(w):
        return jnp.vdot(jnp.array([0.3, -1.0, 0.7]), projections.max_norm(w, 1.0, axis=0))

    gradient, step = jax.jit(jax.grad(total)), 1e-5
    hessian = jax.jit(jax.hessian(total))(w)
    for at, e in enumerate(step * np.eye(3)):
        slope = (gradient(w + e) - gradient(w - e)) / (2 * step)
        np.testing.assert_allclose(hessian[at], slope, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: projections.max_norm(jnp.ones((2, 2)), -1.0), "`bound` must be >= 0, got -1.0"),
        (lambda: projections.max_norm(jnp.ones((2, 2)), float("nan")), "`bound` must be >= 0, got nan"),
        (
            lambda: projections.max_norm(jnp.ones((2, 2)), 1.0, axis="rows"),
            "`axis` must be an integer, a tuple of integers, None or 'auto', got 'rows'",
        ),
        (lambda: projections.unit_norm({"w": jnp.ones((2, 2))}, axis=2), "`axis` must be in range for the leaf 'w'"),
        (lambda: projections.linf_ball(jnp.ones(2), 1.0, axis=1), "`axis` must be in range"),
        (lambda: projections.box(jnp.ones(2), 1.0, 0.0), "`lower` must be <= `upper`, got 1.0 and 0.0"),
        (lambda: projections.box(jnp.ones(2), float("nan"), 0.0), "`lower` must be a number, got nan"),
        (lambda: projections.min_max_norm(jnp.ones((2, 2)), 2.0, 1.0), "`minimum` must be <= `maximum`"),
        (
            lambda: projections.min_max_norm(jnp.ones((2, 2)), 0.0, 1.0, rate=1.5),
            r"`rate` must be in \[0, 1\], got 1.5",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_infinite_box_is_no_constraint():
    np.testing.assert_array_equal(projections.box(jnp.array([-3.0, 2.0]), -float("inf"), float("inf")), [-3.0, 2.0])
