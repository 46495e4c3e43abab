"""Trees without leaves, with leaves that are no parameters, deep ones and wide ones."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, diagnostics, masks, penalties, projections, prox, regularizers, stochastic, transforms
from tests.cases import PENALTIES, PROJECTIONS, PROX

FIRST = {case.name: case for case in reversed([*PENALTIES, *PROX, *PROJECTIONS]) if not case.note}
EMPTY = [{}, [], (), None, {"a": None, "b": ({}, [])}, optax.MaskedNode(), {"a": optax.MaskedNode()}]
OTHERS = {
    "integers": np.arange(3),
    "boolean": np.bool_(True),
    "number": 3,
    "truth": True,
    "word": "word",
    "function": len,
    "key": jax.random.key(0),
    "none": None,
    "masked": optax.MaskedNode(),
    "nothing": jnp.zeros((0, 3)),
    "no columns": np.zeros((4, 0), np.float16),
}


def with_anchor(case, anchor):
    return {"anchor": anchor} if "anchor" in case.arguments else {}


@pytest.mark.parametrize("name", FIRST)
def test_what_has_no_floating_entries_is_the_same_object_afterwards(name):
    case = FIRST[name]
    for nothing in (*EMPTY, OTHERS):
        result = case(nothing, **with_anchor(case, nothing))
        if name.startswith("penalties."):
            assert result == 0 and result.dtype == jnp.float32 and result.shape == ()
        else:
            assert jax.tree.structure(result) == jax.tree.structure(nothing)
            assert all(map(lambda a, b: a is b, jax.tree.leaves(result), jax.tree.leaves(nothing)))


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("text", ["params", b"params"], ids=repr)
def test_text_is_no_tree(name, text):
    case = FIRST[name]
    with pytest.raises(TypeError, match="`tree` must be a tree of arrays, got the text b?'params'"):
        case(text, **with_anchor(case, text))


@pytest.mark.parametrize("text", ["params", b"params"], ids=repr)
def test_text_is_no_tree_for_rules_and_reports_either(text):
    regularizer, constraint = regularizers.l1(0.1), constraints.max_norm(1.0)
    for call in (
        regularizer.penalty,
        lambda tree: regularizer.prox(tree, 1.0),
        constraint.project,
        constraint.violation,
        transforms.project(constraint).init,
        functools.partial(masks.resolve, None),
        functools.partial(masks.select, "**"),
        diagnostics.norms,
        diagnostics.sparsity,
        diagnostics.scalars,
        functools.partial(diagnostics.describe, regularizer),
        functools.partial(diagnostics.describe, optax.adam(0.1)),
        lambda tree: stochastic.drop_connect(jax.random.key(0), tree, 0.5),
    ):
        with pytest.raises(TypeError, match="`(tree|params)` must be a tree of arrays, got the text b?'params'"):
            call(text)


def test_drop_connect_passes_by_what_has_no_floating_entries():
    for nothing in (*EMPTY, {k: v for k, v in OTHERS.items() if not k.startswith("no") or k == "none"}):
        result = stochastic.drop_connect(jax.random.key(0), nothing, 0.5)
        assert jax.tree.structure(result) == jax.tree.structure(nothing)
        assert all(map(lambda a, b: a is b, jax.tree.leaves(result), jax.tree.leaves(nothing)))


def nested(depth):
    tree = np.full((4, 3), 2.0, np.float32)
    for _ in range(depth):
        tree = {"a": tree}
    return tree


def seen_by_everything(tree, mask):
    """Runs what looks at every leaf, of which there are many or which are far down."""
    regularizer = regularizers.group_lasso(0.1, axis=0, mask=mask)
    count = len(jax.tree.leaves(tree))
    assert len(masks.select(mask, tree)) == sum(leaf.ndim == 2 for leaf in jax.tree.leaves(tree))
    optimizer = transforms.decoupled_weight_decay(0.1, mask=mask)
    updates, _ = jax.eval_shape(optimizer.update, tree, jax.eval_shape(optimizer.init, tree), tree)
    assert len(jax.tree.leaves(updates)) == count
    assert jax.eval_shape(regularizer.penalty, tree).shape == ()
    assert "group_lasso" in str(diagnostics.describe(regularizer, tree))


@pytest.mark.parametrize("depth", [50, 300])
def test_deep_trees(depth):
    tree = nested(depth)
    seen_by_everything(tree, "**")
    assert float(penalties.l1(tree, 1.0)) == 24
    np.testing.assert_array_equal(jax.tree.leaves(prox.l1(tree, 1.0))[0], 1)
    np.testing.assert_allclose(jax.tree.leaves(projections.max_norm(tree, 1.0))[0], 0.5)


@pytest.mark.slow
def test_every_transform_on_two_thousand_leaves():
    start = time.process_time()
    tree = {f"layer{i}": np.ones((4, 3), np.float32) for i in range(2000)}
    regularizer = regularizers.group_lasso(0.1, axis=0)
    for optimizer in (
        transforms.proximal_adam(0.1, regularizer),
        transforms.proximal_step(regularizer, 0.1),
        transforms.add_penalty_gradients(regularizer),
        transforms.project(constraints.max_norm(1.0)),
    ):
        updates, _ = jax.eval_shape(optimizer.update, tree, jax.eval_shape(optimizer.init, tree), tree)
        assert len(jax.tree.leaves(updates)) == 2000
    assert time.process_time() - start < 120


def test_ten_thousand_leaves():
    start = time.process_time()
    kernel, bias = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    tree = {f"layer{i}": {"kernel": kernel, "bias": bias} for i in range(5000)}
    seen_by_everything(tree, "**/kernel")
    with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'nothing' .* and 9992 more"):
        masks.resolve("nothing", tree)
    assert time.process_time() - start < 120
