"""What every pure function of a tree owes."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.cases import PENALTIES, PROJECTIONS, PROX, TREE_CASES, Case, tree

pytestmark = pytest.mark.usefixtures("strict_promotion")

OPERATORS = [*PROX, *PROJECTIONS]
NUMBERS = {"strength", "step_size", "l1", "l2", "group", "bound", "minimum", "maximum", "rate", "lower", "upper"}
NUMBERS |= {"delta", "gamma", "a", "epsilon"}


def numbers_of(case: Case):
    numbers = {name: jnp.float32(value) for name, value in case.arguments.items() if name in NUMBERS}
    return {"step_size": jnp.float32(1.0)} | numbers if case in PROX else numbers


def kind_of(case: Case):
    others = sorted((name, str(value)) for name, value in case.arguments.items() if name not in NUMBERS)
    return case.name, *sorted(numbers_of(case)), *others


FIRST_OF_KIND = {kind_of(case): case for case in reversed(TREE_CASES)}


def compiled(make):
    """Compiles once for cases that differ in nothing but their numbers, which are traced."""
    cached = functools.cache(make)
    return lambda case: cached(FIRST_OF_KIND[kind_of(case)])


@compiled
def run_and_count(case: Case):
    traces = []

    @jax.jit
    def run(t, n):
        traces.append(None)
        return case(t, **n)

    return run, traces


@compiled
def run_mapped(case: Case):
    return jax.jit(jax.vmap(lambda t, n: case(t, **n)))


@compiled
def value_and_gradient(case: Case):
    return jax.jit(jax.value_and_grad(scalar_of(case)))


def scalar_of(case: Case):
    """Makes a differentiable scalar of a case: the penalty, or a fixed linear functional of the result."""

    def function(t, numbers=None):
        result = case(t, **(numbers or {}))
        if case in PENALTIES:
            return result
        weights = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape), t)
        return optax.tree.vdot(weights, result)

    return function


@pytest.mark.parametrize("case", TREE_CASES, ids=str)
def test_jit_and_vmap_equal_eager_with_numbers_traced(case):
    numbers = numbers_of(case)
    traced, traces = run_and_count(case)
    eager = case(tree())
    chex.assert_trees_all_close(traced(tree(), numbers), eager, atol=1e-6)

    # Other values of the numbers must not compile again, and a mapped axis of them gives each value's result.
    halves = jax.tree.map(lambda n: n / 2, numbers)
    traced(tree(), halves)
    assert len(traces) == 1
    both = jax.tree.map(lambda a, b: np.stack([a, b]), numbers, halves)
    trees = jax.tree.map(lambda leaf: np.stack([leaf, 2 * leaf]), tree())
    mapped = run_mapped(case)(trees, both)
    mapped = jax.tree.map(np.asarray, mapped)
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[0], mapped), eager, atol=1e-6)
    second = case(jax.tree.map(lambda leaf: 2 * leaf, tree()), **{name: float(n) for name, n in halves.items()})
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[1], mapped), second, atol=1e-6)


@pytest.mark.parametrize("case", TREE_CASES, ids=str)
def test_gradient_is_finite_and_equals_finite_differences(case):
    function, numbers = value_and_gradient(case), numbers_of(case)
    with jax.debug_nans(True):
        for scale in (0.0, 1.0, 1e4):
            chex.assert_tree_all_finite(function(jax.tree.map(lambda leaf, s=scale: s * leaf, tree()), numbers)[1])

    # Away from the kinks, which random entries miss.
    noise = np.random.default_rng(0)
    smooth = jax.tree.map(lambda leaf: leaf + 0.1 * noise.standard_normal(leaf.shape).astype(np.float32), tree())
    direction = jax.tree.map(lambda leaf: noise.standard_normal(leaf.shape).astype(np.float32), smooth)
    step = 1e-3
    ahead, behind = (
        function(jax.tree.map(lambda leaf, d, s=sign: leaf + s * step * d, smooth, direction), numbers)[0]
        for sign in (1, -1)
    )
    slope = float(ahead - behind) / (2 * step)
    exact = float(optax.tree.vdot(function(smooth, numbers)[1], direction))
    np.testing.assert_allclose(exact, slope, atol=4e-3, rtol=4e-3)


@pytest.mark.parametrize("case", PENALTIES, ids=str)
def test_gradients_and_hessians_of_penalties_are_finite_at_zero_and_near_it(case):
    function = scalar_of(case)
    both = jax.jit(lambda t: (jax.grad(function)(t), jax.hessian(function)(t), jax.jacfwd(function)(t)))
    for scale in (0.0, 1e-30, 1e-14, 1.0):
        chex.assert_tree_all_finite(both(jax.tree.map(lambda leaf, s=scale: s * jnp.ones_like(leaf), tree())))
    chex.assert_tree_all_finite(both(tree()))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("case", TREE_CASES, ids=str)
def test_low_precision_is_computed_in_float32(case, dtype):
    low = tree(dtype)
    result = case(low)
    wide = case(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), low))
    if case in PENALTIES:
        assert result.dtype == jnp.float32 and result.shape == ()
        np.testing.assert_array_equal(result, wide)
    else:
        chex.assert_trees_all_equal_shapes_and_dtypes(result, low)
        chex.assert_trees_all_equal(result, jax.tree.map(lambda leaf: leaf.astype(dtype), wide))


@pytest.mark.parametrize("case", TREE_CASES, ids=str)
def test_other_leaves_do_not_count(case):
    other = {"step": jnp.int32(3), "flag": jnp.array([True]), "nothing": None, "empty": jnp.zeros((0, 3)), "word": "x"}
    arguments = {}
    for name in {"anchor"} & set(case.arguments):
        arguments[name] = {"tree": case.arguments[name], "other": other}
    result = case({"tree": tree(), "other": other}, **arguments)
    plain = case(tree())
    if case in PENALTIES:
        np.testing.assert_allclose(result, plain, rtol=1e-6)
    else:
        chex.assert_trees_all_equal(result["tree"], plain)
        assert result["other"]["word"] == "x"
        assert result["other"]["nothing"] is None
        chex.assert_trees_all_equal(
            {k: v for k, v in result["other"].items() if k != "word"}, {k: v for k, v in other.items() if k != "word"}
        )


@pytest.mark.parametrize("case", [c for c in TREE_CASES if c.arguments.get("axis") in (None, "auto")], ids=str)
def test_scalars_and_empty_trees(case):
    arguments = {"anchor": {}} if "anchor" in case.arguments else {}
    empty = case({}, **arguments)
    assert empty == {} if case in OPERATORS else float(empty) == 0.0
    arguments = {"anchor": jnp.float32(1.0)} if "anchor" in case.arguments else {}
    for scalar in (jnp.float32(-2.5), -2.5):
        result = case(scalar, **arguments)
        assert jnp.shape(result) == () and bool(jnp.isfinite(result))


@pytest.mark.parametrize("case", OPERATORS, ids=str)
def test_nan_stays_nan(case):
    broken = tree()
    broken["kernel"] = broken["kernel"].at[1, 1].set(jnp.nan)
    assert bool(jnp.isnan(case(broken)["kernel"][1, 1]))


@pytest.mark.parametrize("case", TREE_CASES, ids=str)
def test_complex_leaves_are_refused(case):
    arguments = {"anchor": {"w": jnp.ones(2)}} if "anchor" in case.arguments else {}
    with pytest.raises(TypeError, match="`tree` must have real leaves, got complex ones at 'w'"):
        case({"w": jnp.ones(2, jnp.complex64)}, **arguments)


@pytest.mark.parametrize("case", [c for c in PROX if c.note], ids=str)
def test_without_strength_an_operator_is_the_identity_bit_for_bit(case):
    chex.assert_trees_all_equal(case(tree()), tree())
    if case.name not in {"prox.l2_sp", "prox.nuclear"}:
        metric = jax.tree.map(lambda leaf: 1 + jnp.abs(leaf), tree())
        chex.assert_trees_all_close(jax.jit(case)(tree(), metric=metric), tree(), rtol=3e-7)


@pytest.mark.parametrize("case", PROX, ids=str)
def test_without_a_step_an_operator_is_the_identity(case):
    chex.assert_trees_all_equal(case(tree(), step_size=0.0), tree())
