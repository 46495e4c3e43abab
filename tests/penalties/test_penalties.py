import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import penalties
from tests import reference
from tests.cases import PENALTIES, tree


@pytest.mark.parametrize("case", PENALTIES, ids=str)
def test_equals_the_formula_in_float64(case):
    formula = getattr(reference, case.name.split(".")[1])
    total = 0.0
    for name, leaf in tree().items():
        arguments = dict(case.arguments)
        if "anchor" in arguments:
            arguments["anchor"] = arguments["anchor"][name]
        total += formula(np.asarray(leaf, np.float64), **arguments)
    np.testing.assert_allclose(float(case(tree())), total, rtol=2e-6)


def test_gradient_of_l2_is_strength_times_weights():
    w = jnp.array([3.0, -4.0])
    np.testing.assert_allclose(jax.grad(penalties.l2)(w, 0.1), 0.1 * w)


def test_gradient_of_the_group_lasso_is_the_direction_of_each_group():
    w = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    gradient = jax.grad(lambda w: penalties.group_lasso(w, 2.0, axis=1, size_scaling=False))(w)
    np.testing.assert_allclose(gradient, [[1.2, 1.6], [0.0, 0.0]], rtol=1e-6)


def test_hessian_of_the_group_lasso_is_right_for_tiny_norms():
    # The Hessian of the norm is (I - u u^T) / |w|, here 1e14 across and 0 along the direction.
    hessian = jax.jit(jax.hessian(lambda w: penalties.group_lasso(w, axis=None, size_scaling=False)))(
        jnp.array([1e-14, 0.0])
    )
    np.testing.assert_allclose(hessian, [[0.0, 0.0], [0.0, 1e14]], rtol=1e-5, atol=1e8)


def test_group_lasso_multiplies_by_the_square_root_of_the_group_size():
    w = jnp.ones((4, 2))
    np.testing.assert_allclose(penalties.group_lasso(w, axis=0), 2 * 2 * 2, rtol=1e-6)
    np.testing.assert_allclose(penalties.group_lasso(w, axis=0, size_scaling=False), 2 * 2, rtol=1e-6)


@pytest.mark.parametrize("case", [case for case in PENALTIES if case.name != "penalties.l0"], ids=str)
def test_nan_is_not_lost(case):
    broken = tree()
    broken["kernel"] = broken["kernel"].at[1, 1].set(jnp.nan)
    assert np.isnan(case(broken))


def test_float16_does_not_overflow():
    w = jnp.full((4, 300), 60.0, jnp.float16)
    np.testing.assert_allclose(penalties.l2(w), 0.5 * 3600 * 1200, rtol=1e-6)
    np.testing.assert_allclose(penalties.group_lasso(w, axis=None, size_scaling=False), 60 * 1200**0.5, rtol=1e-6)


def test_a_strength_in_low_precision_is_used_in_float32():
    for strength in (jnp.bfloat16(0.5), np.asarray(0.5, jnp.bfloat16)):
        assert penalties.l1(jnp.ones(3), strength).dtype == jnp.float32
        assert float(penalties.l1(jnp.ones(3), strength)) == 1.5
    with pytest.raises(ValueError, match="`strength` must be finite"):
        penalties.l1(jnp.ones(3), np.asarray(-0.5, jnp.bfloat16))


@pytest.mark.parametrize("strength", [-1.0, np.float32(-1.0), -1, float("nan"), float("inf")])
def test_a_bad_strength_is_refused(strength):
    with pytest.raises(ValueError, match="`strength` must be finite and >= 0, got"):
        penalties.l1(jnp.ones(3), strength)


@pytest.mark.parametrize("strength", ["0.1", None, True, jnp.array(True), np.array("a"), 1j, lambda step: 0.1])
def test_a_strength_of_a_wrong_kind_is_refused(strength):
    with pytest.raises(TypeError, match="`strength` must be a"):
        penalties.l2(jnp.ones(3), strength)


def test_a_strength_is_a_scalar():
    with pytest.raises(ValueError, match=r"`strength` must be a scalar, got shape \(2,\)"):
        penalties.l1(jnp.ones(2), jnp.ones(2))


@pytest.mark.parametrize("axis", [2, -3, (0, 5)])
def test_an_axis_out_of_range_names_the_leaf(axis):
    with pytest.raises(ValueError, match=r"`axis` must be in range for the leaf 'a/kernel' of shape \(3, 2\), got"):
        penalties.group_lasso({"a": {"kernel": jnp.ones((3, 2))}}, axis=axis)
    with pytest.raises(ValueError, match="`axis` must be in range for the array of shape"):
        penalties.group_lasso(jnp.ones((3, 2)), axis=axis)


def test_axes_are_integers_and_different():
    with pytest.raises(TypeError, match="`axis` must be an integer, a tuple of integers or None, got 1.0"):
        penalties.group_lasso(jnp.ones((3, 2)), axis=1.0)
    with pytest.raises(TypeError, match="`axis` must be an integer"):
        penalties.group_lasso(jnp.ones((3, 2)), axis=True)
    with pytest.raises(ValueError, match=r"`axis` must not name an axis twice, got \(0, -2\)"):
        penalties.group_lasso(jnp.ones((3, 2)), axis=(0, -2))


def test_an_anchor_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`anchor` must have the structure of `tree`"):
        penalties.l2_sp({"w": jnp.ones(2)}, anchor={"v": jnp.ones(2)})
    with pytest.raises(ValueError, match=r"`anchor` must have the shapes of `tree`, got \(3,\) for \(2,\)"):
        penalties.l2_sp({"w": jnp.ones(2)}, anchor={"w": jnp.ones(3)})


@pytest.mark.parametrize("case", [c for c in PENALTIES if c.name != "penalties.l2_sp"], ids=str)
def test_zero_weights_are_not_pulled(case):
    # The subgradient at 0 is 0, where the derivative of `jnp.abs` is 1.
    gradient = jax.jit(jax.grad(lambda t: case(t)))(jax.tree.map(jnp.zeros_like, tree()))
    for leaf in jax.tree.leaves(gradient):
        np.testing.assert_array_equal(leaf, 0)
