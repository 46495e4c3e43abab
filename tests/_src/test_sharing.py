"""Tracing once for all leaves of one shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import projections, prox
from regjax._src import sharing
from regjax._src.sharing import once_per_shape

LEAVES = [jnp.full(shape, float(i)) for i, shape in enumerate([(2,), (3,), (2,), (2,), (3,)])]


@pytest.fixture(autouse=True)
def many(monkeypatch):
    monkeypatch.setattr(sharing, "_MANY", 4)


def counting(calls, scale):
    def function(path, leaf, twice):
        calls.append((path, twice))
        return scale * leaf * (2 if twice else 1)

    return function


def test_one_trace_for_each_shape_and_setting():
    calls = []

    @jax.jit
    def step(leaves, scale):
        on_leaf = once_per_shape(counting(calls, scale), leaves)
        return [on_leaf(f"leaf{i}", leaf, i == 3) for i, leaf in enumerate(leaves)]

    got = step(LEAVES, 3.0)
    assert calls == [("leaf0", False), ("leaf1", False), ("leaf3", True)]
    for i, (result, leaf) in enumerate(zip(got, LEAVES, strict=True)):
        np.testing.assert_array_equal(result, 3 * leaf * (2 if i == 3 else 1))


def test_gradients_outside_of_jit_compile_nothing():
    calls = []

    def total(leaves):
        on_leaf = once_per_shape(counting(calls, 1.0), leaves)
        return sum(jnp.sum(on_leaf("", leaf, False)) for leaf in leaves)

    leaves = [*LEAVES, jnp.ones(0)]
    jax.grad(total)(leaves)
    assert len(calls) == 6
    calls.clear()
    jax.jit(jax.grad(total))(leaves)
    assert len(calls) == 3


@pytest.mark.parametrize("few", [True, False])
def test_few_leaves_and_those_outside_of_a_trace_are_called_one_by_one(few):
    calls = []

    def step(leaves):
        on_leaf = once_per_shape(counting(calls, 1.0), leaves)
        return [on_leaf("", leaf, False) for leaf in leaves]

    (jax.jit(step) if few else step)(LEAVES[:3] if few else LEAVES)
    assert len(calls) == (3 if few else 5)


def test_constants_whose_values_may_be_checked_are_not_traced():
    @jax.jit
    def step(leaves, metric):
        return prox.l1(leaves, 1.0, metric=metric)

    with pytest.raises(ValueError, match="`metric` must be > 0"):
        jax.jit(lambda leaves: prox.l1(leaves, 1.0, metric=[np.array([-1.0] * len(x)) for x in leaves]))(LEAVES)
    got = step(LEAVES, [jnp.ones_like(x) for x in LEAVES])
    for result, leaf in zip(got, LEAVES, strict=True):
        np.testing.assert_array_equal(result, jnp.maximum(leaf - 1, 0))


def test_errors_name_the_first_leaf_of_a_shape():
    leaves = {f"w{i}": jnp.ones((2, 2)) for i in range(5)} | {"z": jnp.ones(2)}
    with pytest.raises(ValueError, match="the leaf 'z'"):
        jax.jit(lambda tree: prox.group_lasso(tree, 1.0, axis=1))(leaves)


def test_what_is_not_floating_passes_through():
    plain = [5, True, "text", None]
    after = []

    @jax.jit
    def project(tree):
        after.extend(projections.max_norm([*tree, *plain], 1.0, axis=0)[-4:])

    project(LEAVES)
    assert after == plain and after[1] is True
