"""Outside of `jit` a second call compiles nothing: what JAX has compiled is found again."""

import jax
import jax.numpy as jnp
import pytest

from regjax import constraints, diagnostics, projections, prox, transforms
from tests.cases import TREE_CASES, tree

COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if "backend_compile" in event else None
)

MANY = {f"layer{i}": jnp.ones((8, 8)) for i in range(16)}
PROJECT = transforms.project(constraints.max_norm(1.0))

# Loops over what is given as a function are compiled for each call.
LOOPS = {"projections.intersection"}
CALLS = {
    **{case.name: lambda case=case: case(tree()) for case in reversed(TREE_CASES) if case.name not in LOOPS},
    "diagnostics.sparsity": lambda: diagnostics.sparsity(tree()),
    "diagnostics.group_sparsity": lambda: diagnostics.group_sparsity({"kernel": jnp.ones((3, 2))}, 1),
    "diagnostics.norms": lambda: diagnostics.norms(tree()),
    "diagnostics.scalars": lambda: diagnostics.scalars(tree()),
    "transforms.project on many leaves that are alike": lambda: PROJECT.update(MANY, PROJECT.init(MANY), MANY),
}
# Leaves of several blocks go through memory in another way.
LARGE = {
    "projections.max_norm": lambda w: projections.max_norm(w, 1.0),
    "projections.unit_norm": lambda w: projections.unit_norm(w),
    "projections.l2_ball": lambda w: projections.l2_ball(w, 1.0),
    "prox.group_lasso": lambda w: prox.group_lasso(w, 1.0, axis=0),
    "diagnostics.norms": diagnostics.norms,
}


def compilations_of_a_second(call):
    call()
    COMPILED.clear()
    call()
    return len(COMPILED)


@pytest.mark.parametrize("name", CALLS)
def test_a_second_call_compiles_nothing(name):
    assert compilations_of_a_second(CALLS[name]) == 0


@pytest.mark.parametrize("name", LARGE)
def test_nor_does_one_of_a_large_leaf(name):
    large = jnp.ones((513, 512)).at[0, 0].set(2.0)
    assert compilations_of_a_second(lambda: LARGE[name](large)) == 0


def test_compilations_are_counted():
    assert compilations_of_a_second(lambda: jax.jit(lambda x: x + 1)(1.0)) > 0
