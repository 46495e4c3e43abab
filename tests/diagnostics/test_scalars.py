"""The numbers to log are those of the other functions, and leave compiled steps, scans and maps."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import constraints, diagnostics, masks, regularizers
from tests.jaxprs import equations

KERNEL = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0]], np.float32)
BIAS = np.array([0.0, 2.0, -1.0], np.float32)
PARAMS = {"dense": {"kernel": jnp.asarray(KERNEL), "bias": jnp.asarray(BIAS)}, "n": jnp.int32(1)}
BY_PATH = regularizers.by_path(
    {
        "**/kernel": regularizers.by_path({"dense/*": regularizers.group_lasso(0.5, axis=1)}),
        re.compile("bias"): regularizers.l1(0.1),
    }
)
BOUNDS = constraints.by_path(
    {"**/kernel": constraints.max_norm(1.0), masks.path("**/bias"): constraints.box(-1.0, 1.0)}
)


@jax.jit
def everything(params, gradients):
    updates = jax.tree.map(lambda g: 3 * g, gradients)
    logged = diagnostics.scalars(params, regularizer=BY_PATH, constraint=BOUNDS, gradients=gradients, updates=updates)
    return logged, diagnostics.optimality(BY_PATH, params, gradients)


def floats(logged):
    assert all(value.dtype == jnp.float32 for value in logged.values())
    return {name: float(value) for name, value in logged.items()}


def test_numbers():
    gradients = {"dense": {"kernel": jnp.zeros((2, 3)), "bias": jnp.array([0.3, 0.4, 0.0])}, "n": None}
    logged, optimality = everything(PARAMS, gradients)
    logged = floats(logged)
    group, l1 = 0.5 * 3**0.5 * 5**0.5, 0.1 * 3
    expected = {
        "norm/params": 10**0.5,
        "norm/gradients": 0.5,
        "norm/updates": 1.5,
        "sparsity": 5 / 9,
        "sparsity/**/kernel/dense/*": 4 / 6,
        "sparsity/bias": 1 / 3,
        "group_sparsity/**/kernel/dense/*": 1 / 2,
        "penalty": group + l1,
        "penalty/**/kernel/dense/*": group,
        "penalty/bias": l1,
        "violation": 1.0,
        "violation/**/kernel": 1.0,
        "violation/path('**/bias')": 1.0,
        "optimality": float(optimality),
    }
    assert list(logged) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(logged[name], value, rtol=1e-6, err_msg=name)
    assert expected["optimality"] > 0.2


def test_only_what_is_asked_for():
    assert list(jax.eval_shape(diagnostics.scalars, PARAMS)) == ["norm/params", "sparsity"]
    alone = regularizers.by_path({"**/bias": None, "**/kernel": regularizers.l2(1.0)})
    logged = jax.eval_shape(lambda p: diagnostics.scalars(p, regularizer=alone), PARAMS)
    assert list(logged) == ["norm/params", "penalty", "penalty/**/kernel", "sparsity", "sparsity/**/kernel"]
    l2, ball = regularizers.l2(2.0), constraints.l2_ball(9.0)
    single = jax.jit(lambda p: diagnostics.scalars(p, regularizer=l2, constraint=ball))({"w": jnp.ones(2)})
    assert floats(single) == {
        "norm/params": pytest.approx(2**0.5),
        "penalty": 2.0,
        "penalty/l2": 2.0,
        "sparsity": 0.0,
        "sparsity/l2": 0.0,
        "violation": 0.0,
        "violation/l2_ball": 0.0,
    }
    assert floats(diagnostics.scalars({})) == {"norm/params": 0.0, "sparsity": 0.0}


def test_totals_count_rules_of_one_name():
    rule = regularizers.by_path({"bias": regularizers.l1(1.0), re.compile("bias"): regularizers.l2(1.0)})
    bound = constraints.by_path({"bias": constraints.box(-0.1, 0.1), re.compile("bias"): constraints.box(-0.5, 0.5)})
    logged = diagnostics.scalars({"bias": jnp.ones(2), "x": {"bias": jnp.ones(3)}}, regularizer=rule, constraint=bound)
    assert logged["penalty"] == 3.5
    assert logged["violation"] == jnp.float32(0.9)


def test_scan_vmap_and_low_precision():
    rule = regularizers.l1(0.5)

    def step(w, _):
        return w * 0, diagnostics.scalars({"w": w}, regularizer=rule, gradients={"w": w})

    stacked = jnp.array([[1.0, 2.0], [0.0, -4.0]], jnp.bfloat16)
    history = jax.jit(jax.vmap(lambda w: jax.lax.scan(step, w, length=2)[1]))(stacked)
    assert {value.shape for value in history.values()} == {(2, 2)}
    assert {value.dtype for value in history.values()} == {jnp.dtype(jnp.float32)}
    np.testing.assert_array_equal(history["penalty"], [[1.5, 0], [2, 0]])
    np.testing.assert_array_equal(history["sparsity"], [[0, 1], [0.5, 1]])
    # A sweep over strengths is one program.
    sweep = jax.jit(jax.vmap(lambda s: diagnostics.scalars(stacked, regularizer=regularizers.l1(s))))
    np.testing.assert_array_equal(sweep(jnp.array([1.0, 2.0]))["penalty"], [7, 14])


def test_nothing_calls_back_and_double_precision_is_logged_in_single(enable_x64):
    params = {"w": jnp.ones(3, jnp.float64)}
    lowered = jax.jit(lambda p: diagnostics.scalars(p, regularizer=regularizers.l1(0.1))).lower(params)
    assert "callback" not in lowered.as_text()
    assert {leaf.dtype for leaf in jax.tree.leaves(lowered.out_info)} == {jnp.dtype(jnp.float32)}


def test_wrong_arguments():
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer"):
        diagnostics.scalars(PARAMS, regularizer=constraints.box(0.0, 1.0))
    with pytest.raises(TypeError, match="`constraint` must be a constraint"):
        diagnostics.scalars(PARAMS, constraint=regularizers.l1(0.1))


def test_few_equations_for_each_leaf():
    tree = {f"layer{i}": {"kernel": jnp.ones((4, 2)), "bias": jnp.ones(2)} for i in range(20)}
    jaxpr = jax.make_jaxpr(lambda p: diagnostics.scalars(p, gradients=p, updates=p))(tree)
    assert len(equations(jaxpr.jaxpr, "")) <= 40 * 50


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e25])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_norm_is_that_of_norms(size, dtype):
    tree = {"kernel": jnp.full((4, 2), 3 * size, dtype), "bias": jnp.full(2, -size, dtype), "n": jnp.int32(1)}
    got, mapped = diagnostics.scalars(tree), jax.vmap(diagnostics.scalars)(jax.tree.map(lambda a: a[None], tree))
    want = float(diagnostics.norms(tree).total["l2"])
    assert float(got["norm/params"]) == pytest.approx(want, rel=1e-6)
    assert float(mapped["norm/params"][0]) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_norm_of_what_is_not_finite(bad):
    norm = diagnostics.scalars({"kernel": jnp.array([1.0, bad])})["norm/params"]
    assert np.array_equal(float(norm), bad, equal_nan=True)


@pytest.mark.parametrize(("entry", "slope"), [(0.0, 0.0), (2.0, 1.0), (1e25, 1.0)])
def test_norm_has_the_derivative_of_norms(entry, slope):
    found = jax.grad(lambda w: diagnostics.scalars({"kernel": w})["norm/params"])(jnp.full(1, entry))
    assert float(found[0]) == pytest.approx(slope)
