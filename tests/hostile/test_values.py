"""NaN, infinities and numbers of every size, in what functions of trees take."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regjax import penalties, projections, prox
from tests.cases import PENALTIES, PROJECTIONS, PROX
from tests.hostile.test_arguments import few

FIRST = {case.name: case for case in reversed([*PENALTIES, *PROX, *PROJECTIONS]) if not case.note}
OPERATORS = [name for name in FIRST if not name.startswith("penalties.")]
ENTRYWISE = [f"prox.{name}" for name in ["l1", "l2", "l0", "elastic_net", "huber", "mcp", "scad", "log_sum", "l2_sp"]]
ENTRYWISE += [f"projections.{name}" for name in ["non_negative", "box", "linf_ball"]]
GOOD = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
FLOATS = st.one_of(st.floats(width=32), st.floats(-10, 10, width=32), st.sampled_from([0.0, -0.0, 1e-45, 1e30, 3e38]))
KERNELS = st.lists(FLOATS, min_size=12, max_size=12).map(lambda entries: np.array(entries, np.float32).reshape(4, 3))


@functools.cache
def compiled(name):
    case = FIRST[name]
    anchor = {"anchor": {"bad": GOOD / 2, "good": GOOD / 2}} if "anchor" in case.arguments else {}
    return jax.jit(lambda bad, good: case({"bad": bad, "good": good}, **anchor))


@functools.cache
def of_good(name):
    return compiled(name)(GOOD, GOOD)


@pytest.mark.parametrize("name", [name for name in FIRST if name.startswith("penalties.")])
@given(kernel=KERNELS)
@few(12)
def test_penalties_are_never_negative_and_finite_where_squares_are(name, kernel):
    value = compiled(name)(kernel, GOOD)
    assert value.dtype == jnp.float32 and value.shape == ()
    assert not value < 0
    if np.all(np.abs(kernel) < 1e8):
        assert np.isfinite(value)
    if np.isnan(kernel).any() and name != "penalties.l0":  # which counts what is not zero
        assert np.isnan(value)


@pytest.mark.parametrize("name", OPERATORS)
@given(kernel=KERNELS)
@few(12)
def test_operators_keep_good_leaves_good(name, kernel):
    result = compiled(name)(kernel, GOOD)
    assert result["bad"].shape == (4, 3) and result["bad"].dtype == jnp.float32
    np.testing.assert_array_equal(result["good"], of_good(name)["good"])
    assert np.isnan(result["bad"])[np.isnan(kernel)].all()
    if np.all(np.abs(kernel) < 1e30):
        assert np.isfinite(result["bad"]).all()
    if name in ENTRYWISE:
        whole = compiled(name)(np.where(np.isnan(kernel), 0, kernel), GOOD)["bad"]
        np.testing.assert_array_equal(result["bad"], np.where(np.isnan(kernel), kernel, whole))


@pytest.mark.parametrize("name", [name for name in FIRST if name.startswith("projections.")])
@given(kernel=KERNELS)
@few(5)
def test_what_is_projected_stays_when_it_is_projected_again(name, kernel):
    kernel = np.clip(np.nan_to_num(kernel), -1e30, 1e30)
    once = compiled(name)(kernel, GOOD)["bad"]
    np.testing.assert_allclose(compiled(name)(once, GOOD)["bad"], once, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-18, 1e15, 1e19, 1e25, 3e37])
def test_norms_of_every_size_are_those_of_float64(scale):
    w = (scale * np.array([[1.0, -0.5, 0.25], [0.3, 1.0, -0.8]])).astype(np.float32)
    wide = w.astype(np.float64)
    norms = np.linalg.norm(wide, axis=0)
    unit = wide / norms
    np.testing.assert_allclose(projections.unit_norm(w, axis=0), unit, rtol=1e-6)
    np.testing.assert_allclose(projections.max_norm(w, scale / 2, axis=0), unit * scale / 2, rtol=1e-6)
    np.testing.assert_allclose(projections.l2_ball(w, scale / 2, axis=0), unit * scale / 2, rtol=1e-6)
    between = projections.min_max_norm(w, scale / 4, scale / 2, rate=0.5, axis=0)
    np.testing.assert_allclose(between, unit * (scale / 2 + norms) / 2, rtol=1e-6)
    strength = {"axis": 0, "size_scaling": False}
    if scale < 1e20:
        np.testing.assert_allclose(penalties.group_lasso(w, 1.0, **strength), norms.sum(), rtol=1e-6)
        shrunk = prox.group_lasso(w, scale / 2, **strength)
        np.testing.assert_allclose(shrunk, unit * np.maximum(norms - scale / 2, 0), rtol=1e-5)
    else:  # so large a penalty is infinite, and a threshold does not matter
        assert np.isposinf(penalties.group_lasso(w, 1.0, **strength))
        np.testing.assert_array_equal(prox.group_lasso(w, 1.0, **strength), w)


@pytest.mark.parametrize("shape", [(2, 3), (2, 2**18)])
@pytest.mark.parametrize("entry", [2e38, np.inf, np.nan])
def test_norms_beyond_the_range_of_floats_give_no_numbers_that_look_right(shape, entry):
    w = np.full(shape, entry, np.float32)
    for result in (projections.max_norm(w, 1.0, axis=0), projections.min_max_norm(w, 0.5, 1.0, axis=0)):
        assert np.isfinite(result).all() == np.isfinite(entry)
        assert not np.linalg.norm(result, axis=0).max() > 1.00001


def test_norms_of_large_leaves_are_computed_again_where_they_are_needed():
    w = np.full((2, 2**18), 1e25, np.float32)
    w[:, 1] = 0.5
    result = projections.max_norm(w, 1.0, axis=0)
    np.testing.assert_allclose(result[:, 0], np.sqrt(0.5), rtol=1e-6)
    np.testing.assert_array_equal(result[:, 1], 0.5)


@pytest.mark.parametrize("bound", [1.0, 1e-3, 7.0])
@pytest.mark.parametrize("largest", [1e3, 1e20, 3e38])
def test_sums_out_of_range_do_not_leave_the_ball_or_the_simplex(bound, largest):
    w = np.array([largest, 1.0, largest, -largest, 0.0], np.float32)
    np.testing.assert_allclose(projections.simplex(w, bound), np.array([1, 0, 1, 0, 0]) * bound / 2, rtol=1e-6)
    np.testing.assert_allclose(projections.l1_ball(w, bound), np.array([1, 0, 1, -1, 0]) * bound / 3, rtol=1e-6)


def test_an_infinite_entry_has_no_nearest_orthogonal_matrix():
    w = np.eye(4, 3, dtype=np.float32)
    w[1, 1] = np.inf
    assert np.isnan(projections.orthogonal(w)).all()


def test_infinities_do_not_keep_a_decomposition_from_ending():
    # For this one LAPACK never came back.
    w = np.array([[9, 0, -10], [-9.8, 0, -2e16], [2.6, -6e16, 9], [np.inf, 1e30, 6e-8]], np.float32)
    assert np.isnan(compiled("prox.nuclear")(w, GOOD)["bad"]).all()
    assert np.isnan(penalties.nuclear(w, 1.0)) and np.isnan(projections.spectral_norm(w, 1.0)).all()


@pytest.mark.parametrize(("dtype", "largest"), [(jnp.float16, 65504), (jnp.bfloat16, 1e30)])
def test_large_numbers_of_low_precision_are_no_trouble(dtype, largest):
    w = jnp.full((4, 3), largest, dtype)
    for name in ("max_norm", "l1_ball", "simplex"):
        result = getattr(projections, name)(w, 1.0)
        assert result.dtype == dtype
        np.testing.assert_allclose(np.asarray(result, np.float32).sum(), 6 if name == "max_norm" else 1, rtol=0.02)
    assert jnp.isfinite(penalties.group_lasso(w, 0.1, axis=0)) == (dtype == jnp.float16)
    assert jnp.isfinite(prox.group_lasso(w, 0.1, axis=0)).all()
