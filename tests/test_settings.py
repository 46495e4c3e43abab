"""What users turn on in JAX changes no dtype and finds nothing: double precision, strict promotion, NaN, leaks.

Reuse of keys is looked for in all tests.
"""

import gc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.cases import CONSTRAINTS, OTHERS, REGULARIZERS, STOCHASTIC, TRANSFORMS, TREE_CASES, tree

# Functions that look at numbers, and so cannot be traced as a whole.
READS_NUMBERS = {"diagnostics.describe", "pruning.remove_zero_units"}


@pytest.fixture(scope="module", autouse=True)
def frozen_heap():
    """Looking for leaks collects garbage each time: what was there before needs no look."""
    gc.freeze()
    yield
    gc.unfreeze()


def with_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function of the result and of the gradient of its sum, one sum for each dtype."""

    def both(t):
        result, back = jax.vjp(function, t)
        return result, back(jax.tree.map(jnp.ones_like, result))

    return both


def step(name: str) -> Callable[..., Any]:
    def update(params):
        tx = TRANSFORMS[name]()
        return tx.update(params, tx.init(params), params)

    return update


def doubles(shapes: Any) -> int:
    return sum(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(shapes))


def mixed() -> dict[str, Any]:
    return tree() | {"bias": tree("bfloat16")["bias"]}


OF_TREES = {
    **{str(case): case for case in TREE_CASES if not case.note},
    "regularizer": REGULARIZERS[-1].penalty,
    "constraint": CONSTRAINTS[-1].project,
    **{name: lambda t, f=f: f(jax.random.key(0), t["kernel"]) for name, f in STOCHASTIC.items()},
}
STEPS = {name: step(name) for name in TRANSFORMS}


@pytest.mark.parametrize("name", OF_TREES | STEPS)
def test_double_precision_is_for_those_who_have_doubles(name, enable_x64):
    function = (OF_TREES | STEPS)[name]
    assert not doubles(jax.eval_shape(function, mixed()))
    if "anchor" not in name and "metric" not in name:  # those of the cases are single
        result = jax.eval_shape(function, tree(jnp.float64))
        updates = result[0] if name in STEPS else result
        assert doubles(updates) == len(jax.tree.leaves(updates))


@pytest.mark.parametrize("name", OF_TREES | STEPS)
def test_strict_promotion_and_leaks(name):
    # Optax itself is not strict, and has no derivative of its own.
    promotion, function = ("standard", STEPS[name]) if name in STEPS else ("strict", with_gradient(OF_TREES[name]))
    operand = mixed()
    with jax.checking_leaks(), jax.numpy_dtype_promotion(promotion):
        jax.eval_shape(function, operand)


@pytest.mark.parametrize("name", OTHERS)
def test_the_checks_of_jax_stay_quiet_about_everything_else(name):
    with jax.debug_nans(True), jax.numpy_dtype_promotion("strict"):
        OTHERS[name]()
    # Looking for leaks forbids to reuse what was compiled, so calls are traced only, unless they look at numbers.
    with jax.checking_leaks():
        OTHERS[name]() if name in READS_NUMBERS else jax.eval_shape(OTHERS[name])
