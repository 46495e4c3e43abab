"""What every transformation owes."""

import functools

import chex
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from regjax import constraints, regularizers, transforms
from tests.cases import TRANSFORMS, tree

NAMES = list(TRANSFORMS)
COMPANIONS = {"decoupled_weight_decay-anchor-tree", "proximal_step-metric"}
# Optimizers of Optax with a proximal operator: what Optax does not promise they do not either.
WRAPPERS = {name for name in NAMES if name.split("-")[0] in {"proximal", "proximal_adam", "proximal_sgd"}}


@pytest.fixture(autouse=True)
def nan_is_an_error(request):
    """In all tests that bring none themselves: programs are compiled for one setting only."""
    with jax.debug_nans("apply_if_finite" not in request.node.name):
        yield


def gradients():
    return jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape), tree())


def steps(tx, params, count=3):
    """Parameters and state after some steps, in one compiled scan: the state must keep structure, shape and dtype."""

    @jax.jit
    def run(params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(gradients(), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), length=count)[0]

    return run(params)


@functools.cache
def of_sgd():
    return steps(optax.sgd(0.1), tree())[0]


@functools.cache
def plain(name):
    return steps(optax.chain(optax.sgd(0.1), TRANSFORMS[name]()), tree())[0]


@pytest.mark.parametrize("name", NAMES)
def test_scan_equals_a_python_loop(name):
    tx = optax.chain(optax.sgd(0.1), TRANSFORMS[name]())
    params, state = tree(), tx.init(tree())
    before = state
    for _ in range(3):
        updates, state = tx.update(gradients(), state, params, some_extra_argument=1.0)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, before)
    chex.assert_trees_all_close(params, plain(name), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_masked_touches_what_it_is_told_to(name):
    tx = optax.chain(optax.sgd(0.1), optax.masked(TRANSFORMS[name](), {"kernel": True, "bias": False}))
    params, _ = steps(tx, tree())
    chex.assert_trees_all_close(params["kernel"], plain(name)["kernel"], atol=1e-6)
    chex.assert_trees_all_equal(params["bias"], of_sgd()["bias"])


@pytest.mark.parametrize("name", NAMES)
def test_frozen_leaves_stay_bit_identical_under_partition(name):
    inner = optax.chain(optax.sgd(0.1), TRANSFORMS[name]())
    labels = {"kernel": "train", "bias": "freeze"}
    params, _ = steps(optax.partition({"train": inner, "freeze": optax.set_to_zero()}, labels), tree())
    chex.assert_trees_all_equal(params["bias"], tree()["bias"])
    chex.assert_trees_all_close(params["kernel"], plain(name)["kernel"], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_accumulated_steps_equal_whole_ones(name):
    tx = optax.MultiSteps(optax.chain(optax.sgd(0.1), TRANSFORMS[name]()), 2)
    params, _ = steps(tx, tree(), count=6)
    chex.assert_trees_all_close(params, plain(name), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_apply_if_finite_skips_a_step_and_goes_on(name):
    tx = optax.apply_if_finite(optax.chain(optax.sgd(0.1), TRANSFORMS[name]()), 3)
    state = tx.init(tree())
    update = jax.jit(tx.update)
    bad = jax.tree.map(lambda leaf: leaf * jnp.nan, gradients())
    updates, state = update(bad, state, tree())
    chex.assert_trees_all_equal(optax.apply_updates(tree(), updates), tree())
    params = tree()
    for _ in range(3):
        updates, state = update(gradients(), state, params)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_close(params, plain(name), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("param", "grad"), [("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("float32", "bfloat16")]
)
def test_dtypes_are_kept(name, param, grad):
    tx = TRANSFORMS[name]()
    params = {"kernel": tree(param)["kernel"], "bias": tree()["bias"]}
    grads = jax.tree.map(lambda leaf: leaf.astype(grad), gradients())

    def update(grads, params):
        updates, state = tx.update(grads, tx.init(params), params)
        return updates, state, tx.init(params), optax.apply_updates(params, updates)

    updates, state, first_state, moved = jax.eval_shape(update, grads, params)
    for u, g, p in zip(*map(jax.tree.leaves, (updates, grads, params)), strict=True):
        assert u.dtype == jnp.promote_types(g.dtype, p.dtype)
    chex.assert_trees_all_equal_shapes_and_dtypes(moved, params)
    if name not in WRAPPERS or (param, grad) != ("bfloat16", "float32"):  # moments take the dtype of the gradients
        chex.assert_trees_all_equal_shapes_and_dtypes(state, first_state)


@pytest.mark.parametrize("name", NAMES)
def test_other_leaves_and_missing_updates_pass(name):
    if name in COMPANIONS:
        pytest.skip("its companion tree has not these leaves")
    if name in WRAPPERS - {"proximal_sgd-accelerated"}:
        pytest.skip("the learning rate of Optax scales integers")
    tx = TRANSFORMS[name]()
    params = tree() | {"count": jnp.int32(3), "none": None, "hidden": optax.MaskedNode()}
    grads = gradients() | {"count": jnp.int32(0), "none": None, "hidden": optax.MaskedNode()}
    updates, _ = tx.update(grads, tx.init(params), params)
    assert updates["count"] is grads["count"]
    assert updates["none"] is None and updates["hidden"] == optax.MaskedNode()
    alone, _ = TRANSFORMS[name]().update(gradients(), TRANSFORMS[name]().init(tree()), tree())
    chex.assert_trees_all_equal({k: updates[k] for k in alone}, alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_without_an_update_stays_without(name):
    # Equinox gives None for what it does not differentiate.
    if name.startswith("proximal_adam") or name == "proximal_sgd-momentum":
        pytest.skip("these moments of Optax take no None")
    tx = TRANSFORMS[name]()
    updates, _ = tx.update(gradients() | {"bias": None}, tx.init(tree()), tree())
    assert updates["bias"] is None
    whole, _ = tx.update(gradients(), tx.init(tree()), tree())
    chex.assert_trees_all_equal(updates["kernel"], whole["kernel"])


@pytest.mark.parametrize("name", NAMES)
def test_params_are_asked_for_and_have_to_fit(name):
    tx = TRANSFORMS[name]()
    state = tx.init(tree())
    with pytest.raises(ValueError, match="`params` must be given to `update`: call `optimizer.update"):
        tx.update(gradients(), state)
    with pytest.raises(ValueError, match="`updates` must"):
        tx.update({"kernel": gradients()["kernel"]}, state, tree())
    with pytest.raises(ValueError, match="`updates` must have the structure and shapes of `params`"):
        tx.update(gradients() | {"bias": jnp.ones(1)}, state, tree())
    with pytest.raises(ValueError, match="`updates` must have the structure and shapes of `params`"):
        tx.update({"kernel": gradients()["kernel"], "bias": jnp.ones(3)}, state, tree() | {"bias": {"a": jnp.ones(3)}})


@pytest.mark.parametrize("name", NAMES)
def test_states_are_arrays_and_survive_a_checkpoint(name):
    tx = TRANSFORMS[name]()
    _, state = steps(tx, tree())
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    restored = flax.serialization.from_bytes(tx.init(tree()), flax.serialization.to_bytes(state))
    chex.assert_trees_all_equal(restored, state)
    grads, params = gradients(), tree()
    chex.assert_trees_all_equal(tx.update(grads, restored, params), tx.update(grads, state, params))


@pytest.mark.parametrize("name", NAMES)
def test_tree_map_params_finds_what_is_like_parameters(name):
    tx = TRANSFORMS[name]()
    state = tx.init(tree())
    doubled = optax.tree.map_params(tx, lambda leaf: 2 * leaf, state)
    if getattr(state, "anchor", None) is not None and "tree" not in name:
        expected = jax.tree.map(lambda leaf: 2 * leaf, state.anchor)
        chex.assert_trees_all_equal(doubled.anchor, expected)
    assert jax.tree.structure(doubled) == jax.tree.structure(state)


@pytest.mark.parametrize("name", NAMES)
def test_empty_trees(name):
    if name in COMPANIONS:
        pytest.skip("its companion tree is not empty")
    tx = TRANSFORMS[name]()
    assert tx.update({}, tx.init({}), {})[0] == {}


@pytest.mark.parametrize(
    ("factory", "arguments"),
    [
        (transforms.decoupled_weight_decay, {"weight_decay": 0.1, "learning_rate": 0.5, "mask": "**/kernel"}),
        (transforms.decoupled_weight_decay, {"weight_decay": 0.1, "mask": ("kernel",), "cautious": True}),
        (
            transforms.proximal_step,
            {"regularizer": regularizers.l1(0.3, mask="**/kernel"), "learning_rate": 0.5},
        ),
        (transforms.add_penalty_gradients, {"regularizer": regularizers.l2(0.3)}),
        (transforms.project, {"constraint": constraints.max_norm(0.9)}),
    ],
    ids=["decay", "cautious decay", "prox", "penalty", "projection"],
)
def test_inject_hyperparams_changes_nothing(factory, arguments):
    injected = optax.chain(optax.sgd(0.1), optax.inject_hyperparams(factory)(**arguments))
    expected = steps(optax.chain(optax.sgd(0.1), factory(**arguments)), tree())[0]
    chex.assert_trees_all_close(steps(injected, tree())[0], expected, atol=1e-6)


def test_inject_hyperparams_makes_strengths_schedules():
    def factory(strength):
        return transforms.proximal_step(regularizers.l1(strength), 1.0)

    tx = optax.inject_hyperparams(factory)(strength=lambda step: 0.1 * (step + 1))
    params, state = jnp.array([1.0]), None
    state = tx.init(params)
    for expected in (0.9, 0.7, 0.4):
        updates, state = tx.update(jnp.zeros(1), state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params, expected, rtol=1e-6)


def test_a_function_as_mask_under_inject_hyperparams_is_an_error_and_not_silence():
    tx = optax.inject_hyperparams(transforms.decoupled_weight_decay)(0.1, mask=lambda params: False)
    with pytest.raises(TypeError, match=r"`mask` must be None.*optax.inject_hyperparams"):
        tx.init(tree())


def test_strengths_are_mapped_over_in_one_program():
    params, grads = jnp.array([1.0, -0.3]), jnp.zeros(2)

    def one(regularizer, learning_rate):
        tx = transforms.proximal_step(regularizer, learning_rate)
        return optax.apply_updates(params, tx.update(grads, tx.init(params), params)[0])

    swept = jax.jit(jax.vmap(one, in_axes=(0, None)))(regularizers.l1(jnp.array([0.0, 1.0, 4.0])), 0.25)
    np.testing.assert_allclose(swept, [[1.0, -0.3], [0.75, -0.05], [0.0, 0.0]], atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_patterns_are_checked_when_the_optimizer_is_initialized(name):
    if "masked" in name or "by-path" in name:
        with pytest.raises(ValueError, match="`mask` must match a floating leaf, got "):
            TRANSFORMS[name]().init({"w": jnp.ones(2)})


@pytest.mark.parametrize("mask", [None, "kernel"], ids=["all", "kernel"])
def test_nnx_parameters(mask):
    model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    tx = optax.chain(
        optax.sgd(0.1),
        transforms.decoupled_weight_decay(0.1, mask=mask, anchor="initial"),
        transforms.proximal_step(regularizers.l1(100.0, mask=mask), 0.1),
        transforms.project(constraints.non_negative(mask="bias")),
    )
    ones = jax.tree.map(jnp.ones_like, state)
    updates, _ = tx.update(ones, tx.init(state), state)
    bias, kernel = jax.tree.leaves(optax.apply_updates(state, updates))
    np.testing.assert_array_equal(kernel, 0)
    np.testing.assert_array_equal(bias, 0)
    if mask is None:
        # Releases of `nnx.Optimizer` up to 0.11 can't hold the placeholders of masked states, Optax's own included.
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        optimizer.update(model, ones)
        np.testing.assert_array_equal(jax.tree.leaves(nnx.state(model, nnx.Param))[1], 0)


def test_leaves_that_a_mask_leaves_out_may_be_complex_or_have_no_shape():
    params = {"k": jnp.ones((2, 2)), "c": jnp.ones(2, jnp.complex64), "n": jnp.int32(1)}
    for tx in (
        transforms.add_penalty_gradients(regularizers.l2(0.1, mask="k")),
        transforms.add_penalty_gradients(
            regularizers.l2(0.1, mask=lambda t: jax.tree.map(lambda leaf: leaf.ndim == 2, t))
        ),
        transforms.decoupled_weight_decay(0.1, mask="k"),
        transforms.project(constraints.non_negative(mask="k")),
    ):
        updates, _ = tx.update(params, tx.init(params), params)
        np.testing.assert_array_equal(updates["c"], params["c"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: transforms.proximal_adam(0.1, regularizers.group_lasso(0.1, axis=1)),
        lambda: transforms.proximal_step(regularizers.group_lasso(0.1, axis=(0, 1)), 0.1),
        lambda: transforms.add_penalty_gradients(regularizers.group_lasso(0.1, axis=1)),
        lambda: transforms.project(constraints.max_norm(1.0, axis=1)),
        lambda: transforms.project(constraints.intersection(constraints.max_norm(1.0, axis=1))),
    ],
    ids=["proximal_adam", "proximal_step", "add_penalty_gradients", "project", "project on several"],
)
def test_an_axis_that_a_leaf_lacks_is_said_when_it_is_initialized(make):
    with pytest.raises(ValueError, match="`axis` must .* the leaf 'bias'"):
        make().init({"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)})
