import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import constraints, projections
from tests.cases import CONSTRAINTS, PROJECTIONS, tree


@pytest.mark.parametrize("case", PROJECTIONS, ids=str)
def test_a_constraint_is_its_projection(case):
    constraint = getattr(constraints, case.name.split(".")[1])(**case.arguments)
    projected = case(tree())
    chex.assert_trees_all_equal(constraint.project(tree()), projected)
    moves = [np.max(np.abs(a - b)) for a, b in zip(jax.tree.leaves(tree()), jax.tree.leaves(projected), strict=True)]
    np.testing.assert_allclose(constraint.violation(tree()), max(moves), rtol=1e-6)


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=str)
def test_a_constraint_is_an_immutable_pytree_and_not_callable(constraint):
    assert not callable(constraint)
    leaves, structure = jax.tree.flatten(constraint)
    assert structure.unflatten(leaves) == constraint
    through = jax.jit(lambda c, t: (c.project(t), c.violation(t)))
    expected = (constraint.project(tree()), constraint.violation(tree()))
    chex.assert_trees_all_close(through(constraint, tree()), expected, atol=1e-6)


def test_the_mask_selects_and_bounds_are_mapped_over():
    params = {"kernel": jnp.array([[3.0], [4.0]]), "embedding": jnp.array([[3.0], [4.0]])}
    constraint = constraints.max_norm(1.0, mask="kernel")
    assert constraint.project(params)["embedding"] is params["embedding"]
    swept = jax.vmap(lambda c: c.project(params)["kernel"])(constraints.max_norm(jnp.array([1.0, 2.5, 9.0])))
    np.testing.assert_allclose(swept[:, :, 0], [[0.6, 0.8], [1.5, 2.0], [3.0, 4.0]], rtol=1e-6)


def test_violation_of_low_precision_and_of_nothing():
    # 300 entries of 60 overflow float16 when squared; their norm is 1039.
    violation = constraints.l2_ball(519.6).violation({"w": jnp.full(300, 60.0, jnp.float16), "n": jnp.int32(1)})
    assert violation.dtype == jnp.float32
    np.testing.assert_allclose(violation, 30.0, rtol=1e-3)
    assert float(constraints.non_negative().violation({})) == 0.0
    assert float(constraints.non_negative().violation({"empty": jnp.zeros((0,))})) == 0.0


def test_violation_looks_at_what_is_constrained():
    params = {"k": jnp.array([1.0, jnp.inf]), "b": jnp.array([jnp.nan])}
    assert float(constraints.non_negative(mask="k").violation(params)) == 0.0
    assert np.isnan(constraints.non_negative().violation(params))


def test_axes_are_checked_when_the_value_is_made():
    with pytest.raises(TypeError, match="`axis` must be an integer, a tuple of integers or None, got 'auto'"):
        constraints.l1_ball(1.0, axis="auto")
    with pytest.raises(TypeError, match="`axis` must be an integer, a tuple of integers or None, got 1.5"):
        constraints.max_norm(1.0, axis=1.5)
    with pytest.raises(TypeError, match="`axis` must be an integer, a tuple of integers or None, got 'auto'"):
        projections.l2_ball(jnp.ones((2, 2)), 1.0, axis="auto")


def test_by_path_checks_its_rules():
    with pytest.raises(TypeError, match="`rules` must map patterns to constraints or None, got 1.0"):
        constraints.by_path({"**": 1.0})
    rules = constraints.by_path({"**/kernel": constraints.max_norm(1.0), "bias": None})
    assert repr(rules) == "by_path({'**/kernel': max_norm(bound=1.0, axis='auto'), 'bias': None})"
    assert rules.project(tree())["bias"] is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constraints.max_norm(-1.0), "`bound` must be >= 0, got -1.0"),
        (lambda: constraints.simplex(float("nan")), "`bound` must be >= 0, got nan"),
        (
            lambda: constraints.max_norm(1.0, axis="dense"),
            "`axis` must be an integer, a tuple of integers, None or 'auto', got 'dense'",
        ),
        (lambda: constraints.box(1.0, 0.0), "`lower` must be <= `upper`"),
        (lambda: constraints.min_max_norm(1.0, 2.0, rate=2.0), r"`rate` must be in \[0, 1\], got 2.0"),
    ],
)
def test_bad_numbers_are_refused_when_the_value_is_made(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_projection_has_a_constraint_of_its_name():
    assert set(projections.__all__) == set(constraints.__all__) - {"Constraint", "by_path"}
