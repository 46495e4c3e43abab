import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import masks, penalties, prox, regularizers, transforms
from regjax.regularizers import Regularizer
from tests.cases import PENALTIES, PENALTIES_ONLY, REGULARIZERS, tree


@pytest.mark.parametrize("case", PENALTIES, ids=str)
def test_a_regularizer_is_its_penalty_and_its_operator(case):
    name = case.name.split(".")[1]
    regularizer = getattr(regularizers, name)(**case.arguments)
    if name in PENALTIES_ONLY:
        with pytest.raises(TypeError, match=f"must have a proximal operator, got {name}, which is a penalty only"):
            regularizer.prox(tree(), 0.5)
    metric = jax.tree.map(lambda leaf: 1 + jnp.abs(leaf), tree())

    @jax.jit
    def ours_and_theirs(t):
        pairs = [(regularizer.penalty(t), case(t))]
        if name not in PENALTIES_ONLY:
            options = [{}] if name == "nuclear" else [{}, {"metric": metric}]
            for option in options:
                theirs = getattr(prox, name)(t, **case.arguments, step_size=0.5, **option)
                pairs.append((regularizer.prox(t, 0.5, **option), theirs))
        return pairs

    for ours, theirs in ours_and_theirs(tree()):
        chex.assert_trees_all_equal(ours, theirs)


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=str)
def test_a_regularizer_is_an_immutable_pytree_and_not_callable(regularizer):
    assert not callable(regularizer)
    leaves, structure = jax.tree.flatten(regularizer)
    assert structure.unflatten(leaves) == regularizer
    with pytest.raises(AttributeError):
        regularizer.mask = None

    def use(regularizer, t):
        has_prox = getattr(regularizer, "name", "") not in PENALTIES_ONLY
        return regularizer.penalty(t), regularizer.prox(t, 0.5) if has_prox else t

    chex.assert_trees_all_close(jax.jit(use)(regularizer, tree()), use(regularizer, tree()), rtol=2e-6, atol=1e-6)


def test_the_mask_selects():
    params = {"dense": {"kernel": jnp.array([3.0, -0.5]), "bias": jnp.array([7.0])}}
    regularizer = regularizers.l1(1.0, mask="**/kernel")
    assert float(regularizer.penalty(params)) == 3.5
    moved = regularizer.prox(params, 1.0)
    np.testing.assert_array_equal(moved["dense"]["kernel"], [2.0, 0.0])
    assert moved["dense"]["bias"] is params["dense"]["bias"]
    with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'kernels' for the paths 'dense/bias'"):
        regularizers.l1(1.0, mask="kernels").penalty(params)


def test_the_metric_and_the_anchor_are_masked_too():
    params = {"bias": jnp.ones(2), "kernel": jnp.array([3.0, -3.0])}
    metric = {"bias": jnp.ones(2), "kernel": jnp.array([1.0, 2.0])}
    moved = regularizers.l1(1.0, mask="kernel").prox(params, 1.0, metric=metric)
    np.testing.assert_allclose(moved["kernel"], [2.0, -2.5])
    anchored = regularizers.l2_sp(1.0, anchor=metric, mask="kernel")
    np.testing.assert_allclose(anchored.penalty(params), 0.5 * (4 + 25))
    # Optax hides leaves from what it wraps; the anchor is then found by path.
    np.testing.assert_allclose(anchored.penalty({"kernel": params["kernel"]}), 0.5 * (4 + 25))
    # Neither needs the leaves that the mask does not select, and both need the others.
    other = {"kernel": params["kernel"], "other": jnp.ones(2)}
    np.testing.assert_allclose(anchored.penalty(other), 0.5 * (4 + 25))
    np.testing.assert_array_equal(regularizers.l1(1.0, mask="kernel").prox(other, 1.0, metric=metric)["other"], 1)
    with pytest.raises(ValueError, match="`anchor` must have the leaves of `params`, got none at 'other'"):
        regularizers.l2_sp(1.0, anchor=metric).penalty(other)
    with pytest.raises(ValueError, match="`metric` must have the leaves of `params`, got none at 'other'"):
        regularizers.l1(1.0).prox(other, 1.0, metric=metric)


def test_strengths_are_mapped_over_traced_and_differentiated():
    w = jnp.array([3.0, -4.0])
    swept = jax.vmap(lambda r: r.prox(w, 1.0))(regularizers.l1(jnp.array([0.0, 1.0, 5.0])))
    np.testing.assert_array_equal(swept, [[3, -4], [2, -3], [0, 0]])
    swept = jax.vmap(lambda s: regularizers.l2(s).penalty(w))(np.linspace(0, 1, 3))
    np.testing.assert_allclose(swept, [0, 6.25, 12.5])
    gradient = jax.grad(lambda r: r.penalty(w))(regularizers.elastic_net(0.1, 0.2))
    assert dict(gradient.numbers) == {"l1": 7.0, "l2": 12.5}
    traces = []

    @jax.jit
    def penalty(regularizer):
        traces.append(None)
        return regularizer.penalty(w)

    for strength in (0.1, 0.2, 0.3):
        penalty(regularizers.l1(strength))
    assert len(traces) == 1


def test_by_path_takes_the_first_match():
    params = {
        "encoder": {"a": {"kernel": jnp.array([[3.0, 4.0]]), "bias": jnp.ones(2)}, "frozen": {"kernel": jnp.ones(2)}},
        "head": {"kernel": jnp.array([1.0, -2.0])},
    }
    rules = regularizers.by_path(
        {
            "encoder/frozen/**": None,
            "encoder/**/kernel": regularizers.group_lasso(1.0, axis=1, size_scaling=False),
            "**/kernel": regularizers.l1(0.5),
        }
    )
    assert float(rules.penalty(params)) == 5.0 + 1.5
    moved = rules.prox(params, 1.0)
    np.testing.assert_allclose(moved["encoder"]["a"]["kernel"], [[2.4, 3.2]], rtol=1e-6)
    np.testing.assert_allclose(moved["head"]["kernel"], [0.5, -1.5])
    for untouched in (("encoder", "a", "bias"), ("encoder", "frozen", "kernel")):
        before, after = params, moved
        for part in untouched:
            before, after = before[part], after[part]
        assert after is before


def test_by_path_checks_every_pattern():
    rules = regularizers.by_path({"**": regularizers.l1(0.5), "nothing": None})
    with pytest.raises(ValueError, match="got 'nothing' for the paths"):
        rules.penalty({"w": jnp.ones(2)})
    rules = regularizers.by_path({"**/kernel": regularizers.l2(0.1), "head/kernel": regularizers.l1(0.1)})
    with pytest.raises(ValueError, match=r"`mask` must be the first to match some leaf, got path\('head/kernel'\)"):
        rules.penalty({"head": {"kernel": jnp.ones(2)}})
    with pytest.raises(TypeError, match="`rules` must map patterns to regularizers or None, got 0.1"):
        regularizers.by_path({"**": 0.1})
    with pytest.raises(TypeError, match="`rules` must be a mapping"):
        regularizers.by_path([regularizers.l1(0.1)])
    with pytest.raises(ValueError, match="`rules` must have at least one pattern"):
        regularizers.by_path({})
    with pytest.raises(TypeError, match="`mask` must be None, a glob"):
        regularizers.by_path({3: regularizers.l1(0.1)})


def test_masks_within_patterns_and_nested_rules():
    params = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}, "b": {"kernel": jnp.ones((2, 2))}}
    inner = regularizers.by_path({"**/kernel": regularizers.l1(1.0)})
    rules = regularizers.by_path({"a/**": inner, masks.min_ndim(2): regularizers.l1(10.0, mask=masks.min_ndim(2))})
    assert float(rules.penalty(params)) == 4.0 + 40.0


def test_representations():
    assert repr(regularizers.l1(np.float32(0.5))) == "l1(strength=0.5)"
    assert repr(regularizers.l1(jnp.ones(3))) == "l1(strength=<float32[3]>)"
    assert (
        repr(regularizers.group_lasso(0.1, axis=[0, 1])) == "group_lasso(strength=0.1, axis=(0, 1), size_scaling=True)"
    )
    rules = regularizers.by_path({"**/kernel": regularizers.l1(0.5), "**": None})
    assert repr(rules) == "by_path({'**/kernel': l1(strength=0.5), '**': None})"
    shown = []
    jax.jit(lambda r: shown.append(repr(r)))(regularizers.l2(0.1))
    assert shown == ["l2(strength=<traced>)"]
    paths = jax.tree_util.tree_flatten_with_path(rules)[0]
    assert jax.tree_util.keystr(paths[0][0]) == "['**/kernel'].strength"


def test_bad_strengths_are_refused_when_the_value_is_made():
    with pytest.raises(ValueError, match="`strength` must be finite and >= 0, got -1.0"):
        regularizers.l1(-1.0)
    with pytest.raises(ValueError, match="`l2` must be finite and >= 0"):
        regularizers.elastic_net(1.0, np.array([0.1, -0.1]))
    with pytest.raises(TypeError, match="`strength` must be a number or a scalar array, got <function"):
        regularizers.l1(lambda step: 0.1)
    with pytest.raises(TypeError, match="`mask` must be None"):
        regularizers.l1(1.0, mask=False)


def test_values_are_equal_by_their_numbers():
    assert regularizers.l1(jnp.ones(3)) == regularizers.l1(np.ones(3))
    assert regularizers.l1(0.1) != regularizers.l1(0.2)
    assert regularizers.l1(0.1) != regularizers.l1(0.1, mask="**")
    assert regularizers.l1(0.1) != 0.1
    assert hash(regularizers.l1(jnp.float32(0.1))) == hash(regularizers.l1(0.2))


def test_leaves_are_told_apart_within_boxes_and_by_odd_keys():
    state = {"p": nnx.Param({"b": jnp.zeros(3), "w": jnp.ones(3)})}
    assert float(regularizers.l2_sp(2.0, anchor=state).penalty(state)) == 0.0
    odd = {"a/b": jnp.zeros(2), "a": {"b": jnp.ones(2)}}
    assert float(regularizers.l2_sp(2.0, anchor=odd).penalty(odd)) == 0.0
    with pytest.raises(ValueError, match="`anchor` must have leaves with different paths, got two at 'a/b'"):
        regularizers.l2_sp(2.0, anchor=odd).penalty({"a": {"b": jnp.ones(2)}})
    with pytest.raises(TypeError, match="`anchor` must be a tree of arrays, got None"):
        regularizers.l2_sp(2.0, anchor=None)


def test_axes_are_checked_when_the_value_is_made():
    with pytest.raises(TypeError, match="`axis` must be an integer, a tuple of integers or None, got 1.5"):
        regularizers.group_lasso(0.1, axis=1.5)


def test_a_regularizer_without_an_operator_says_so(monkeypatch):
    monkeypatch.delattr(prox, "l1")
    with pytest.raises(TypeError, match="`regularizer` must have a proximal operator, got l1, which is a penalty only"):
        regularizers.l1(1.0).prox(jnp.ones(2), 1.0)


def test_every_penalty_has_a_regularizer_of_its_name():
    assert set(penalties.__all__) == set(regularizers.__all__) - {"Regularizer", "by_path"}
    assert set(prox.__all__) <= set(penalties.__all__)
    assert all(isinstance(regularizer, Regularizer) for regularizer in REGULARIZERS)


def test_single_numbers_go_along_where_others_are_mapped_over():
    w = jnp.array([2.0, -0.5])
    swept = jax.vmap(lambda r: r.penalty(w))(regularizers.mcp(jnp.array([0.1, 1.0]), gamma=3.0))
    expected = [regularizers.mcp(strength, gamma=3.0).penalty(w) for strength in (0.1, 1.0)]
    np.testing.assert_allclose(swept, expected, rtol=1e-6)
    swept = jax.vmap(lambda r: r.penalty(w))(regularizers.elastic_net(0.1, np.array([0.2, 0.3])))
    np.testing.assert_allclose(swept, [0.25 + 0.1 * 4.25, 0.25 + 0.15 * 4.25], rtol=1e-6)


def test_what_an_operator_cannot_do_is_refused_when_the_transformation_is_made():
    with pytest.raises(ValueError, match=r"`axis` must be one axis for a proximal operator, got \(0, 1\)"):
        transforms.proximal_step(regularizers.total_variation(0.1, axis=(0, 1)), 0.1)
    with pytest.raises(ValueError, match="`axis` must be one axis for a proximal operator, got None"):
        transforms.proximal_step(regularizers.total_variation(0.1, axis=None), 0.1)
    with pytest.raises(TypeError, match="`regularizer` must have a proximal operator in the metric .*, got nuclear"):
        transforms.proximal_step(regularizers.nuclear(0.1), 0.1, metric=jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="`regularizer` must be a penalty of parameters, got activity"):
        transforms.add_penalty_gradients(regularizers.activity(0.1, 0.0))
