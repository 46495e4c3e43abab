"""What a step on many leaves is traced to: one call for each leaf that a rule moves, and nothing for the others."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from regjax import constraints, regularizers, transforms
from regjax._src import blocks
from regjax.transforms import _alike
from tests.jaxprs import equations

LAYERS = 50
PARAMS: Any = {
    f"layer{i}": {"kernel": jnp.full((4, 2), i / 4, "f4"), "bias": jnp.full(2, i / 4, "f4")} for i in range(LAYERS)
}
METRIC: Any = jax.tree.map(lambda p: 1 + p, PARAMS)
# Numbers of the step itself, such as its count and the biases of moments.
FEW = 24
RULES = {
    "l1": (transforms.proximal_step(regularizers.l1(0.1), 0.1), 2),
    "l1 in a metric": (transforms.proximal_step(regularizers.l1(0.1), 0.1, metric=METRIC), 2),
    "l1 of kernels": (transforms.proximal_step(regularizers.l1(0.1, mask="**/kernel"), 0.1), 1),
    "group_lasso": (transforms.proximal_step(regularizers.group_lasso(0.1, axis=0, mask="**/kernel"), 0.1), 1),
    "l2_sp": (transforms.proximal_step(regularizers.l2_sp(0.1, anchor=PARAMS), 0.1), 2),
    "l2_ball": (transforms.project(constraints.l2_ball(1.0, mask="**/kernel")), 1),
    "non_negative": (transforms.project(constraints.non_negative()), 2),
    # Adam, the learning rate, and the operator.
    "proximal_adam": (transforms.proximal_adam(0.1, regularizers.l1(0.1)), 6),
}
# Rules that put leaves of one shape into one array.
TOGETHER = {
    "group_lasso in a metric": transforms.proximal_step(
        regularizers.group_lasso(0.1, axis=0, mask="**/kernel"), 0.1, metric=METRIC
    ),
    "max_norm": transforms.project(constraints.max_norm(1.0)),
}


@pytest.mark.parametrize("name", RULES)
def test_one_call_for_each_leaf_that_moves(name):
    tx, each = RULES[name]
    state = tx.init(PARAMS)
    jaxpr = jax.make_jaxpr(lambda updates, params: tx.update(updates, state, params)[0])(PARAMS, PARAMS)
    assert each * LAYERS <= len(jaxpr.jaxpr.eqns) <= each * LAYERS + FEW


@pytest.mark.parametrize("name", [*RULES, *TOGETHER])
def test_together_as_one_by_one(name):
    tx = TOGETHER[name] if name in TOGETHER else RULES[name][0]
    updates: Any = jax.tree.map(lambda p: 0.3 - p / 8, PARAMS)
    state = tx.init(PARAMS)
    got = jax.jit(lambda u, p: tx.update(u, state, p)[0])(updates, PARAMS)
    want = tx.update(updates, state, PARAMS)[0]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert jnp.allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "peer"),
    [
        ({}, optax.adam(0.1)),
        ({"nesterov": True}, optax.nadam(0.1)),
        ({"amsgrad": True}, optax.amsgrad(0.1)),
        ({"mu_dtype": jnp.bfloat16}, optax.adam(0.1, mu_dtype=jnp.bfloat16)),
    ],
    ids=["adam", "nesterov", "amsgrad", "mu_dtype"],
)
def test_adam_of_many_leaves_is_that_of_optax(options, peer):
    gradients: Any = jax.tree.map(lambda p: jnp.cos(9 * p), PARAMS)
    tx = transforms.proximal_adam(0.1, regularizers.l1(0.0), **options)
    ours: Any
    theirs: Any
    ours = theirs = None
    got: Any
    want: Any
    got, want = tx.init(PARAMS), peer.init(PARAMS)
    for _ in range(3):
        ours, got = jax.jit(tx.update)(gradients, got, PARAMS)
        theirs, want = jax.jit(peer.update)(gradients, want, PARAMS)
    # They divide once, and so in another order.
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert jnp.allclose(a, b, rtol=1e-5, atol=0)
    got, want = got.inner_state[0], want[0]
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype
        assert jnp.allclose(a, b, rtol=1e-6, atol=0)


def test_adam_of_many_leaves_takes_what_has_no_gradient_where_optax_does():
    gradients: Any = PARAMS | {"layer7": {"kernel": None, "bias": jnp.ones(2)}}
    tx, peer = transforms.proximal_adam(0.1, regularizers.l1(0.0)), optax.adam(0.1)
    try:
        theirs, _ = jax.jit(peer.update)(gradients, peer.init(PARAMS), PARAMS)
    except ValueError:
        pytest.skip("this version of Optax wants all gradients")
    ours, _ = jax.jit(tx.update)(gradients, tx.init(PARAMS), PARAMS)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)


def test_many_leaves_of_groups_fill_whole_arrays():
    # Arrays of one length are one program for the compiler, however many leaves there are.
    tx = transforms.proximal_step(regularizers.group_lasso(0.1, axis=0, mask="**/kernel"), 0.1, metric=METRIC)
    state = tx.init(PARAMS)
    updates: Any = jax.tree.map(lambda p: 0.3 - p / 8, PARAMS)
    step = jax.jit(lambda u, p: tx.update(u, state, p)[0])
    got: Any = step(updates, PARAMS)
    for layer in PARAMS:
        alone = {layer: {"kernel": PARAMS[layer]["kernel"]}}
        own = transforms.proximal_step(
            regularizers.group_lasso(0.1, axis=0), 0.1, metric={layer: {"kernel": METRIC[layer]["kernel"]}}
        )
        want: Any = own.update({layer: {"kernel": updates[layer]["kernel"]}}, own.init(alone), alone)[0]
        assert jnp.allclose(got[layer]["kernel"], want[layer]["kernel"], rtol=1e-5, atol=1e-6)
    jaxpr = jax.make_jaxpr(lambda u, p: tx.update(u, state, p)[0])(updates, PARAMS).jaxpr
    shapes = {eqn.outvars[0].aval.shape for eqn in equations(jaxpr, "reshape")}
    stacks = {shape[0] for shape in shapes if shape[1:] == (4, 2)}
    assert stacks == ({_alike._CHUNK} if jax.device_count() == 1 else set())


def test_many_leaves_with_units_fill_whole_arrays():
    # The second part of the last array is a leaf again and again.
    tx = transforms.project(constraints.max_norm(1.0))
    updates: Any = jax.tree.map(lambda p: 0.3 - p / 8, PARAMS)
    got: Any = jax.jit(lambda u, p: tx.update(u, tx.init(p), p)[0])(updates, PARAMS)
    for layer in PARAMS:
        kernel = PARAMS[layer]["kernel"]
        want: Any = tx.update({"kernel": updates[layer]["kernel"]}, optax.EmptyState(), {"kernel": kernel})[0]
        assert jnp.allclose(got[layer]["kernel"], want["kernel"], rtol=1e-5, atol=1e-6)
        assert jnp.all(got[layer]["bias"] == updates[layer]["bias"])


def test_leaves_that_take_long_to_copy_go_each_by_itself():
    params = {f"layer{i}": jnp.ones((64, 33)) for i in range(8)}
    tx = TOGETHER["max_norm"]
    jaxpr = jax.make_jaxpr(lambda p: tx.update(p, optax.EmptyState(), p)[0])(params)
    assert not any(eqn.primitive.name == "concatenate" for eqn in jaxpr.jaxpr.eqns)


@pytest.mark.parametrize("name", TOGETHER)
@pytest.mark.skipif(jax.device_count() > 1 or jax.default_backend() != "cpu", reason="on one CPU only")
def test_what_is_computed_together_is_not_computed_for_each(name):
    tx = TOGETHER[name]
    step: Any = jax.jit(lambda u, s, p: tx.update(u, s, p)[0]).lower(PARAMS, tx.init(PARAMS), PARAMS).compile()
    # Each leaf would have three or more, and each of the two arrays has some twenty.
    assert step.as_text().count(" select(") < 2 * LAYERS


@pytest.mark.skipif(not hasattr(jax.sharding, "auto_axes"), reason="versions that can hardly use explicit meshes")
@pytest.mark.parametrize("name", ["l2_ball", "proximal_adam", *TOGETHER])
def test_many_leaves_on_an_explicit_mesh(name):
    mesh = jax.make_mesh((1,), ("data",), (jax.sharding.AxisType.Explicit,), devices=jax.devices()[:1])
    specs = {"kernel": jax.P(None, "data"), "bias": jax.P("data")}
    placed: Any = {
        layer: {key: jax.device_put(leaf, jax.NamedSharding(mesh, specs[key])) for key, leaf in leaves.items()}
        for layer, leaves in PARAMS.items()
    }
    tx = TOGETHER[name] if name in TOGETHER else RULES[name][0]
    want = jax.jit(tx.update)(PARAMS, tx.init(PARAMS), PARAMS)[0]
    got = jax.jit(tx.update)(placed, tx.init(placed), placed)[0]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert jnp.allclose(jax.device_get(a), b, rtol=1e-6, atol=1e-6)


def test_derivatives_of_many_leaves_together():
    # They are taken out of one array that the compiler stores, which derivatives pass by.
    tx = transforms.proximal_step(regularizers.group_lasso(0.1, axis=0, mask="**/kernel"), 0.1, metric=METRIC)
    state = tx.init(PARAMS)
    updates: Any = jax.tree.map(lambda p: 0.3 - p / 8, PARAMS)

    def total(scale: Any) -> Any:
        moved = tx.update(jax.tree.map(lambda u: scale * u, updates), state, PARAMS)[0]
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(moved))

    scales = jnp.array([0.8, 1.0])
    want = (jax.vmap(total)(scales + 1e-2) - jax.vmap(total)(scales - 1e-2)) / 2e-2
    for derivative in (jax.grad(total), jax.jacfwd(total)):
        assert jnp.allclose(jax.jit(jax.vmap(derivative))(scales), want, rtol=1e-2)


@pytest.mark.parametrize(
    "tx",
    [
        transforms.project(constraints.max_norm(1.0)),
        transforms.proximal_step(regularizers.group_lasso(0.1, axis=1, mask="**/kernel"), 0.1),
    ],
    ids=["max_norm", "group_lasso"],
)
@pytest.mark.skipif(jax.device_count() > 1, reason="on one device only")
def test_large_leaves_are_traced_once_too(monkeypatch, tx):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 4)
    state = tx.init(PARAMS)
    jaxpr = jax.make_jaxpr(lambda updates, params: tx.update(updates, state, params)[0])(PARAMS, PARAMS).jaxpr
    assert LAYERS <= len(jaxpr.eqns) <= LAYERS + FEW


@pytest.mark.skipif(jax.device_count() > 1 or jax.default_backend() != "cpu", reason="on one CPU only")
def test_large_leaves_have_one_loop_each_and_get_by_with_the_memory_of_two():
    params = [jnp.ones((1024, 512))] * 4
    tx = optax.chain(optax.adamw(0.1), TOGETHER["max_norm"])

    def step(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    compiled: Any = jax.jit(step, donate_argnums=(0, 1)).lower(params, tx.init(params), params).compile()
    assert compiled.as_text().count(" while(") == len(params)
    assert compiled.memory_analysis().temp_size_in_bytes < 2.1 * params[0].nbytes


def test_many_scalars_are_groups_of_one():
    params: Any = {f"gain{i}": jnp.float32(i - 10) for i in range(20)}
    metric: Any = jax.tree.map(lambda p: 1 + p**2, params)
    tx = transforms.proximal_step(regularizers.group_lasso(2.0, axis=None), 1.0, metric=metric)
    updates, _ = jax.jit(tx.update)(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    for name, p in params.items():
        want = jnp.sign(p) * jnp.maximum(jnp.abs(p) - 2 / metric[name], 0)
        assert jnp.allclose(optax.apply_updates(p, updates[name]), want, rtol=1e-5)
