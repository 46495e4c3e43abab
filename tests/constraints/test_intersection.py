import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, diagnostics, projections, transforms
from tests.cases import tree

RNG = np.random.default_rng(0)
MAX_NORM, NON_NEGATIVE = constraints.max_norm(0.9), constraints.non_negative()


def exact_max_norm_and_sign(w, bound):
    w = np.maximum(w, 0)
    return w * np.minimum(1, bound / np.maximum(np.sqrt((w**2).sum(axis=0)), 1e-30))


def test_shared_leaves_move_to_the_nearest_point_and_others_by_their_own_projection():
    params = {"kernel": jnp.asarray(RNG.standard_normal((6, 5)), jnp.float32), "bias": jnp.array([-1.0, 2.0])}
    params |= {"scale": jnp.array([-3.0]), "step": jnp.int32(1), "none": None}
    sign = constraints.non_negative(mask=("kernel", "bias"))
    for pair in ((MAX_NORM, sign), (sign, MAX_NORM)):
        x = constraints.intersection(*pair).project(params)
        expected = exact_max_norm_and_sign(np.asarray(params["kernel"], np.float64), 0.9)
        np.testing.assert_allclose(x["kernel"], expected, atol=1e-6)
        np.testing.assert_array_equal(x["bias"], [0.0, 2.0])
        assert x["scale"] is params["scale"] and x["step"] is params["step"] and x["none"] is None


def test_equals_the_function_and_is_exact_where_one_member_acts():
    both = constraints.intersection(constraints.box(0.0, 0.3), constraints.simplex(axis=0), num_iterations=30)
    functions = [lambda t: projections.box(t, 0.0, 0.3), lambda t: projections.simplex(t, axis=0)]
    params = {"w": jnp.asarray(RNG.standard_normal((6, 5)), jnp.float32)}
    chex.assert_trees_all_equal(both.project(params), projections.intersection(params, functions, num_iterations=30))
    # Far from the set, where the method would round.
    far = {"k": jnp.array([[1e6], [1e6 + 0.5], [-1e6]]), "b": jnp.array([0.5, 2.0])}
    mixed = constraints.intersection(constraints.box(-1.0, 1.0, mask="b"), constraints.simplex(axis=0))
    np.testing.assert_array_equal(mixed.project(far)["k"], projections.simplex(far["k"], axis=0))
    np.testing.assert_allclose(mixed.project(far)["b"], [0.0, 1.0], atol=1e-6)


def test_it_is_one_rule_by_path_and_in_another_intersection():
    params = {"a": {"kernel": 3 * tree()["kernel"]}, "b": {"kernel": tree()["kernel"]}}
    rules = constraints.by_path(
        {"a/**": constraints.intersection(MAX_NORM, NON_NEGATIVE), "**": constraints.max_norm(2.0)}
    )
    x = rules.project(params)
    expected = exact_max_norm_and_sign(np.asarray(params["a"]["kernel"], np.float64), 0.9)
    np.testing.assert_allclose(x["a"]["kernel"], expected, atol=1e-6)
    np.testing.assert_array_equal(x["b"]["kernel"], projections.max_norm(params["b"]["kernel"], 2.0))

    inner = constraints.by_path({"a/**": constraints.intersection(NON_NEGATIVE), "b/**": constraints.box(-0.1, 0.1)})
    outer = constraints.intersection(inner, constraints.max_norm(0.9, mask="a/*"), mask="*/kernel")
    x = outer.project(params)
    np.testing.assert_allclose(x["a"]["kernel"], expected, atol=1e-6)
    np.testing.assert_array_equal(x["b"]["kernel"], jnp.clip(params["b"]["kernel"], -0.1, 0.1))


def test_a_member_without_a_leaf_is_not_passed_over_in_silence():
    params = {"a": {"kernel": jnp.ones((2, 2))}, "b": {"kernel": jnp.ones((2, 2))}}
    both = constraints.intersection(MAX_NORM, constraints.non_negative(mask="b/*"), mask="a/*")
    with pytest.raises(ValueError, match="must select a floating leaf"):
        both.project(params)
    with pytest.raises(ValueError, match="c/\\*"):
        constraints.intersection(MAX_NORM, constraints.non_negative(mask="c/*")).project(params)


def test_bounds_are_mapped_over_with_the_others_repeated():
    kernel = jnp.asarray(RNG.standard_normal((6, 5)), jnp.float32)
    bounds = jnp.array([0.5, 1.0, 9.0])
    swept = jax.vmap(lambda c: c.project(kernel))(
        constraints.intersection(constraints.max_norm(bounds), constraints.box(0.0, 0.4))
    )
    assert swept.shape == (3, 6, 5)
    for bound, x in zip(bounds, swept, strict=True):
        one = constraints.intersection(constraints.max_norm(bound), constraints.box(0.0, 0.4))
        np.testing.assert_allclose(x, one.project(kernel), atol=1e-6)


def test_violation_is_how_far_the_projection_moves():
    both = constraints.intersection(MAX_NORM, NON_NEGATIVE)
    kernel = jnp.asarray(RNG.standard_normal((6, 5)), jnp.float32)
    expected = np.abs(exact_max_norm_and_sign(np.asarray(kernel, np.float64), 0.9) - kernel).max()
    np.testing.assert_allclose(both.violation(kernel), expected, rtol=1e-6)
    assert float(both.violation(0.1 * jnp.abs(kernel))) == 0.0
    assert float(both.violation({})) == 0.0


def test_texts():
    both = constraints.intersection(MAX_NORM, constraints.non_negative(mask="kernel"), num_iterations=9, mask="*")
    assert repr(both) == (
        "intersection(max_norm(bound=0.9, axis='auto'), non_negative(mask=path('kernel')), num_iterations=9,"
        " mask=path('*'))"
    )
    members = "max_norm(bound=0.9, axis='auto'), non_negative()"
    both = constraints.intersection(MAX_NORM, NON_NEGATIVE)
    described = diagnostics.describe(both, tree())
    assert [row.rules for row in described.rows] == [("non_negative()",), (f"intersection({members})",)]
    described = diagnostics.describe(optax.chain(optax.sgd(1.0), transforms.project(both)), tree())
    assert [row.rules for row in described.rows] == [
        ("project: non_negative()",),
        (f"project: intersection({members})",),
    ]


def test_equal_values_are_equal():
    assert constraints.intersection(MAX_NORM, NON_NEGATIVE) == constraints.intersection(MAX_NORM, NON_NEGATIVE)
    assert constraints.intersection(MAX_NORM, NON_NEGATIVE) != constraints.intersection(NON_NEGATIVE, MAX_NORM)
    assert hash(constraints.intersection(MAX_NORM, num_iterations=2)) != hash(constraints.intersection(MAX_NORM))


def test_training_stays_in_both_sets():
    x = jnp.asarray(RNG.standard_normal((64, 8)), jnp.float32)
    y = jnp.asarray(10 * RNG.standard_normal((64, 4)), jnp.float32)
    both = constraints.intersection(constraints.max_norm(1.5), NON_NEGATIVE, num_iterations=20)
    tx = optax.chain(optax.adam(0.05), transforms.project(both))

    def step(carry, _):
        kernel, state = carry
        updates, state = tx.update(jax.grad(lambda w: jnp.mean((x @ w - y) ** 2))(kernel), state, kernel)
        kernel = optax.apply_updates(kernel, updates)
        return (kernel, state), kernel

    start = jnp.full((8, 4), 0.1)
    _, kernels = jax.jit(lambda w: jax.lax.scan(step, (w, tx.init(w)), length=60))(start)
    assert kernels.min() == 0
    norms = np.sqrt((np.asarray(kernels, np.float64) ** 2).sum(axis=1))
    assert norms.max() <= 1.5 * (1 + 2e-6)
    assert (norms > 1.499).sum() > 20


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: constraints.intersection(), ValueError, "`constraints` must have at least one constraint, got none"),
        (
            lambda: constraints.intersection(NON_NEGATIVE, 1.0),
            TypeError,
            r"`constraints\[1\]` must be a constraint such as `regjax.constraints.max_norm\(3.0\)`, got 1.0",
        ),
        (
            lambda: constraints.intersection(NON_NEGATIVE, constraints.unit_norm()),
            ValueError,
            "`constraints` must be convex to hold together, got unit_norm$",
        ),
        (
            lambda: constraints.intersection(constraints.by_path({"*": constraints.orthogonal()})),
            ValueError,
            "`constraints` must be convex to hold together, got orthogonal$",
        ),
        (
            lambda: constraints.intersection(constraints.min_max_norm(0.0, 1.0)),
            ValueError,
            "got min_max_norm, of which `max_norm` is the convex half",
        ),
        (
            lambda: constraints.intersection(NON_NEGATIVE, num_iterations=0),
            ValueError,
            "`num_iterations` must be >= 1, got 0",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
