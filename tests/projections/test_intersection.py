import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from regjax import projections

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("strict_promotion")


def box(lower, upper):
    return functools.partial(projections.box, lower=lower, upper=upper)


def max_norm(bound):
    return functools.partial(projections.max_norm, bound=bound, axis=0)


def l1_ball(bound):
    return functools.partial(projections.l1_ball, bound=bound, axis=0)


def simplex(bound=1.0):
    return functools.partial(projections.simplex, bound=bound, axis=0)


def intersect(z, functions, **options):
    """The operator in one compiled program."""
    return jax.jit(functools.partial(projections.intersection, projections=functions, **options))(z)


def both_orders(first, second):
    """The operator of two sets in one order and in the other."""
    return [
        jax.jit(functools.partial(projections.intersection, projections=pair))
        for pair in ([first, second], [second, first])
    ]


def falling_root(function, low, high):
    for _ in range(100):
        middle = (low + high) / 2
        positive = function(middle) > 0
        low, high = np.where(positive, middle, low), np.where(positive, high, middle)
    return (low + high) / 2


def exact_ball_and_orthant(z, bound):
    z = np.maximum(z, 0)
    return z * np.minimum(1, bound / np.sqrt((z**2).sum(axis=0)))


def exact_box_and_simplex(z, lower, upper, total):
    # The multiplier of the sum, by bisection: it falls with the multiplier.
    root = falling_root(lambda t: np.clip(z - t, lower, upper).sum(axis=0) - total, z.min(0) - upper, z.max(0) - lower)
    return np.clip(z - root, lower, upper)


def exact_box_and_l1_ball(z, lower, upper, bound):
    def at(t):
        return np.clip(np.sign(z) * np.maximum(np.abs(z) - t, 0), lower, upper)

    root = falling_root(lambda t: np.abs(at(t)).sum(axis=0) - bound, np.zeros(z.shape[1]), np.abs(z).max(axis=0))
    return np.where(np.abs(at(0)).sum(axis=0) <= bound, at(0), at(root))


PAIRS = {
    "ball, orthant": (max_norm(1.5), projections.non_negative, lambda z: exact_ball_and_orthant(z, 1.5)),
    "box, simplex": (box(0.0, 0.3), simplex(), lambda z: exact_box_and_simplex(z, 0.0, 0.3, 1.0)),
    "box, l1 ball": (box(-0.3, 0.5), l1_ball(2.0), lambda z: exact_box_and_l1_ball(z, -0.3, 0.5, 2.0)),
    "box, large l1 ball": (box(-0.3, 0.5), l1_ball(9.0), lambda z: exact_box_and_l1_ball(z, -0.3, 0.5, 9.0)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_equals_bisection_in_float64_in_both_orders(name):
    first, second, exact = PAIRS[name]
    for operator in both_orders(first, second):
        for scale in (0.1, 1.0, 10.0):
            z = (scale * RNG.standard_normal((12, 20))).astype(np.float32)
            np.testing.assert_allclose(operator(z), exact(z.astype(np.float64)), atol=1e-6 * max(1, scale))


def test_the_order_of_a_cone_and_a_ball_makes_one_iteration_enough():
    z = RNG.standard_normal((12, 20)).astype(np.float32)
    one = intersect(z, [projections.non_negative, max_norm(1.5)], num_iterations=1)
    np.testing.assert_allclose(one, exact_ball_and_orthant(z.astype(np.float64), 1.5), atol=2e-7)


def half_space(normal):
    normal = jnp.asarray(normal / np.linalg.norm(normal), jnp.float32)
    return lambda z: z - normal * jnp.maximum(jnp.vdot(normal, z), 0)


def test_finds_the_nearest_point_where_alternating_projections_find_another():
    # From (1, 1.5) onto {x0 + x1 <= 0} and {x1 <= x0 / 5}: the corner at 0 is nearest.
    sets = [half_space(np.array([1.0, 1.0])), half_space(np.array([-0.2, 1.0]))]
    z = np.array([1.0, 1.5])
    problem = [
        {"type": "ineq", "fun": lambda x: -(x[0] + x[1])},
        {"type": "ineq", "fun": lambda x: 0.2 * x[0] - x[1]},
    ]
    nearest = minimize(lambda x: ((x - z) ** 2).sum(), np.zeros(2), method="SLSQP", tol=1e-14, constraints=problem).x
    alternating = jnp.asarray(z, jnp.float32)
    for _ in range(200):
        for project in sets:
            alternating = project(alternating)
    assert np.linalg.norm(alternating - nearest) > 0.1
    np.testing.assert_allclose(projections.intersection(jnp.float32(z), sets), nearest, atol=1e-5)


def test_three_sets_equal_a_general_solver():
    z = 1.5 * RNG.standard_normal(6)
    sets = [box(-0.4, 0.9), lambda t: projections.l1_ball(t, 2.0), lambda t: projections.l2_ball(t, 1.0)]
    problem = {
        "bounds": [(0, 0.9)] * 6 + [(0, 0.4)] * 6,
        "constraints": [
            {"type": "ineq", "fun": lambda x: 2 - x.sum()},
            {"type": "ineq", "fun": lambda x: 1 - ((x[:6] - x[6:]) ** 2).sum()},
        ],
    }
    split = minimize(
        lambda x: ((x[:6] - x[6:] - z) ** 2).sum(), np.full(12, 0.01), method="SLSQP", tol=1e-14, **problem
    ).x
    solution = split[:6] - split[6:]
    for order in ([0, 1, 2], [2, 0, 1]):
        ours = intersect(jnp.asarray(z, jnp.float32), [sets[i] for i in order], num_iterations=300)
        np.testing.assert_allclose(ours, solution, atol=1e-5)


def test_no_feasible_matrix_is_nearer():
    # For a convex set: (z - x) . (y - x) <= 0 for every feasible y.
    z = RNG.standard_normal((6, 4)).astype(np.float32)
    sets = [lambda t: projections.spectral_norm(t, 1.5), projections.non_negative]
    x = np.asarray(intersect(z, sets), np.float64)
    assert x.min() >= 0 and np.linalg.norm(x, 2) <= 1.5 + 1e-5
    assert np.linalg.norm(x, 2) > 1.49  # the bound is active, and so is the sign
    assert (x == 0).any()
    rivals = np.abs(RNG.standard_normal((300, 6, 4))) * RNG.choice([0, 1], (300, 6, 4))
    rivals = np.concatenate([rivals, np.maximum(x + 0.1 * RNG.standard_normal((300, 6, 4)), 0)])
    rivals *= np.minimum(1, 1.5 / np.linalg.norm(rivals, 2, axis=(1, 2)))[:, None, None]
    assert np.max(((z - x) * (rivals - x)).sum(axis=(1, 2))) <= 1e-4


def test_error_falls_as_documented():
    z = np.random.default_rng(1).standard_normal((12, 40)).astype(np.float32)
    limits = {"ball, orthant": (1e-6, 1e-6), "box, l1 ball": (2e-3, 1e-6), "box, simplex": (1e-1, 1e-6)}
    for name, (after_20, after_50) in limits.items():
        first, second, exact = PAIRS[name]
        for count, limit in ((20, after_20), (50, after_50)):
            x = np.asarray(intersect(z, [first, second], num_iterations=count))
            assert np.max(np.abs(x - exact(z.astype(np.float64)))) <= limit, (name, count)


def test_two_sets_are_accelerated():
    # The box nearly fills the simplex: without momentum the error is still that of the bound after 200 iterations.
    z = np.random.default_rng(2).standard_normal((256, 4)).astype(np.float32)
    x = intersect(z, [simplex(), box(0.0, 4 / 256)])
    np.testing.assert_allclose(x, exact_box_and_simplex(z.astype(np.float64), 0.0, 4 / 256, 1.0), atol=5e-4)


def test_the_last_set_holds_exactly_after_any_number_of_iterations():
    z = jnp.asarray(3 * RNG.standard_normal((12, 20)), jnp.float32)
    once = jax.jit(simplex())
    for count in (1, 2, 7):
        x = intersect(z, [simplex(), box(0.0, 0.25)], num_iterations=count)
        np.testing.assert_array_equal(x, np.clip(x, np.float32(0.0), np.float32(0.25)))
        x = intersect(z, [box(0.0, 0.25), simplex()], num_iterations=count)
        np.testing.assert_array_equal(x, once(x))


def test_in_all_sets_the_result_is_the_input_bit_for_bit():
    inside = {
        "w": jnp.array([[0.3, -0.0, 0.1], [0.2, 0.7, 0.0]]),
        "half": jnp.array([[0.25], [0.5]], jnp.bfloat16),
        "step": jnp.int32(3),
        "none": None,
        "word": "x",
        "empty": jnp.zeros((0, 2)),
    }
    after = projections.intersection(inside, [max_norm(1.0), box(-0.5, 0.7), l1_ball(1.0)])
    assert after["word"] == "x" and after["none"] is None and after["step"] is inside["step"]
    assert after["empty"].shape == (0, 2)
    for name, kind in (("w", np.int32), ("half", np.int16)):
        assert after[name].dtype == inside[name].dtype
        np.testing.assert_array_equal(np.asarray(after[name]).view(kind), np.asarray(inside[name]).view(kind))


def test_infinities_in_the_sets_stay_and_nans_do_not_spread():
    z = jnp.array([[1.0, jnp.inf, jnp.nan], [-2.0, -1.0, 1.0]])
    x = intersect(z, [projections.non_negative, box(-2.0, jnp.inf)])
    np.testing.assert_array_equal(x, [[1.0, np.inf, np.nan], [0.0, 0.0, 1.0]])


def test_where_one_set_decides_the_result_is_its_projection():
    # Far away points, where every sum of z and a memory rounds.
    far = jnp.array([[1e6], [1e6 + 0.5], [-1e6]])
    for functions in ([simplex()], [simplex(), box(-1.0, 2.0)]):
        x = intersect(far, functions)
        np.testing.assert_array_equal(x, simplex()(far))


def test_sets_may_couple_leaves_and_functions_may_return_other_dtypes():
    # A ball around the whole tree, and non-negative weights in one leaf, computed in another precision.
    tree = {"a": jnp.array([3.0, -2.0]), "b": jnp.array([-4.0])}

    def ball(t):
        norm = jnp.sqrt(jnp.sum(t["a"] ** 2) + jnp.sum(t["b"] ** 2))
        return jax.tree.map(lambda leaf: leaf * jnp.minimum(1, 2 / norm), t)

    def sign(t):
        return t | {"a": jnp.maximum(t["a"], 0).astype(jnp.bfloat16)}

    x = intersect(tree, [sign, ball])
    np.testing.assert_allclose(jnp.concatenate([x["a"], x["b"]]), [1.2, 0.0, -1.6], rtol=5e-3)
    assert x["a"].dtype == jnp.float32


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_computed_in_float32(dtype):
    low = jnp.asarray(RNG.standard_normal((12, 4)), dtype)
    operator = both_orders(*PAIRS["box, simplex"][:2])[0]
    np.testing.assert_array_equal(operator(low), operator(low.astype(jnp.float32)).astype(dtype))
    assert operator(low).dtype == dtype


def test_double_precision_is_kept(enable_x64):
    z = RNG.standard_normal((12, 4))
    x = intersect(z, [box(0.0, 0.3), simplex()])
    np.testing.assert_allclose(x, exact_box_and_simplex(z, 0.0, 0.3, 1.0), atol=1e-12)


def test_jit_and_vmap_equal_eager_with_bounds_traced():
    def operator(z, upper, total):
        functions = [functools.partial(projections.box, lower=0.0, upper=upper), simplex(total)]
        return projections.intersection(z, functions, num_iterations=20)

    z = jnp.asarray(RNG.standard_normal((3, 12, 4)), jnp.float32)
    upper, total = jnp.array([0.2, 0.3, 0.5]), jnp.array([1.0, 0.5, 2.0])
    swept = jax.jit(jax.vmap(operator))(z, upper, total)
    alone = jax.jit(operator)
    for i in range(3):
        np.testing.assert_allclose(swept[i], alone(z[i], upper[i], total[i]), atol=1e-6)
    np.testing.assert_allclose(swept[1], operator(z[1], float(upper[1]), float(total[1])), atol=1e-6)


def test_derivative_equals_finite_differences_of_the_reference(enable_x64):
    z = np.random.default_rng(2).standard_normal((12, 3))
    weights = np.cos(np.arange(36)).reshape(12, 3)
    for name in ("ball, orthant", "box, l1 ball"):
        first, second, exact = PAIRS[name]

        def total(z, functions=(first, second)):
            return jnp.vdot(weights, projections.intersection(z, functions))

        gradient = jax.jit(jax.grad(total))(jnp.asarray(z))
        steps = 1e-6 * np.eye(36).reshape(36, 12, 3)
        slopes = [(weights * (exact(z + e) - exact(z - e))).sum() / 2e-6 for e in steps]
        np.testing.assert_allclose(gradient.ravel(), slopes, atol=1e-6)
        # Forward mode agrees, and backward mode of backward mode is finite.
        tangent = jax.jit(lambda z, t, f=total: jax.jvp(f, (z,), (t,))[1])(jnp.asarray(z), jnp.asarray(weights))
        np.testing.assert_allclose(tangent, np.vdot(gradient, weights), atol=1e-9)
    chex.assert_tree_all_finite(jax.jit(jax.grad(lambda z: jnp.sum(jax.grad(total)(z) ** 2)))(jnp.asarray(z)))


def test_derivative_inside_all_sets_is_the_identity():
    operator = functools.partial(projections.intersection, projections=[max_norm(1.0), box(-1.0, 1.0)])
    np.testing.assert_allclose(jax.jit(jax.jacobian(operator))(jnp.array([0.3, 0.4])), np.eye(2), atol=1e-6)


@pytest.mark.parametrize(
    ("functions", "options", "error", "message"),
    [
        (projections.non_negative, {}, TypeError, "`projections` must be a sequence of functions of a tree, got <fun"),
        ([], {}, ValueError, "`projections` must have at least one function, got none"),
        ([lambda t: t, 1.0], {}, TypeError, r"`projections\[1\]` must be a function of a tree, got 1.0"),
        ([lambda t: t["w"]], {}, ValueError, "`projections` must return a tree like its own, got PyTreeDef"),
        ([lambda t: {"w": t["w"][:1]}], {}, ValueError, r"`projections` must return leaves of shapes \[\(2,\)\], got"),
        ([lambda t: t], {"num_iterations": 0}, ValueError, "`num_iterations` must be >= 1, got 0"),
        ([lambda t: t], {"num_iterations": 2.0}, TypeError, "`num_iterations` must be a Python integer, got 2.0"),
    ],
)
def test_bad_arguments_are_refused(functions, options, error, message):
    with pytest.raises(error, match=message):
        projections.intersection({"w": jnp.ones(2)}, functions, **options)


def test_complex_leaves_are_refused():
    with pytest.raises(TypeError, match="`tree` must have real leaves, got complex ones at 'w'"):
        projections.intersection({"w": jnp.ones(2, jnp.complex64)}, [lambda t: t])
