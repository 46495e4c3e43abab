"""Optimizers with a proximal operator in their metric."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regjax
from regjax import constraints, regularizers, transforms
from regjax._src import blocks

try:
    from jax import shard_map
except ImportError:  # the lowest supported version
    from jax.experimental.shard_map import shard_map

TARGET = np.array([3.0, -0.2, 1.0, -2.0])
EXACT = np.array([2.5, -0.075, 0.0, -1.98])  # the solution of `gradient` with l1(0.5)


def gradient(w):
    """The gradient of a quadratic whose coordinates differ in scale."""
    return jnp.array([1.0, 4.0, 0.1, 25.0]) * (w - jnp.asarray(TARGET, jnp.float32))


def run(tx, steps=3, start=1.0):
    """The parameters after each of some steps, and the last state."""
    params = jnp.full(4, start)

    @jax.jit
    def loop(params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(gradient(params), state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        (_, state), history = jax.lax.scan(step, (params, tx.init(params)), length=steps)
        return history, state

    return loop(params)


def test_proximal_is_the_operator_after_the_step_in_the_metric():
    regularizer, rate = regularizers.elastic_net(0.5, 0.1), 0.1
    tx = transforms.proximal(optax.rmsprop(rate), regularizer, rate, metric=transforms.rmsprop_metric())
    history, _ = run(tx)
    w, nu = np.ones(4), np.zeros(4)
    for got in history:
        g = np.array([1.0, 4.0, 0.1, 25.0]) * (w - TARGET)
        nu = 0.9 * nu + 0.1 * g**2
        d = np.sqrt(nu + 1e-8)
        z = w - rate * g / d
        w = np.sign(z) * np.maximum(d * np.abs(z) - rate * 0.5, 0) / (d + rate * 0.1)
        np.testing.assert_allclose(got, w, rtol=2e-5, atol=1e-6)


def test_identity_is_the_proximal_step():
    regularizer = regularizers.l1(0.5)
    schedule = optax.linear_schedule(0.02, 0.01, 3)
    wrapped, _ = run(transforms.proximal(optax.sgd(schedule), regularizer, schedule))
    chained, _ = run(optax.chain(optax.sgd(schedule), transforms.proximal_step(regularizer, schedule)))
    chex.assert_trees_all_equal(wrapped, chained)
    chex.assert_trees_all_equal(run(transforms.proximal_sgd(schedule, regularizer))[0], chained)


# Without a penalty, what they are made of.
PLAIN = {
    "adam": (lambda r: transforms.proximal_adam(0.1, r, b1=0.8), optax.adam(0.1, 0.8)),
    "nadam": (lambda r: transforms.proximal_adam(0.1, r, nesterov=True), optax.nadam(0.1)),
    "amsgrad": (lambda r: transforms.proximal_adam(0.1, r, amsgrad=True), optax.amsgrad(0.1)),
    "eps": (
        lambda r: transforms.proximal_adam(0.1, r, eps=0.1, eps_root=0.01),
        optax.adam(0.1, eps=0.1, eps_root=0.01),
    ),
    "mu_dtype": (
        lambda r: transforms.proximal_adam(0.1, r, mu_dtype="bfloat16"),
        optax.adam(0.1, mu_dtype="bfloat16"),
    ),
    "adamw": (lambda r: transforms.proximal_adam(0.1, r, weight_decay=0.3), optax.adamw(0.1, weight_decay=0.3)),
    "sgd": (lambda r: transforms.proximal_sgd(0.01, r), optax.sgd(0.01)),
    "momentum": (
        lambda r: transforms.proximal_sgd(0.01, r, momentum=0.5, nesterov=True),
        optax.sgd(0.01, 0.5, nesterov=True),
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_without_a_penalty_it_is_the_optimizer_of_optax(name):
    make, plain = PLAIN[name]
    chex.assert_trees_all_close(run(make(regularizers.l1(0.0)))[0], run(plain)[0], rtol=2e-6)


def test_momentum_lengthens_the_step_of_the_operator():
    # At the solution z = w - rate / (1 - m) * gradient, whose threshold must be as much longer.
    history, _ = run(transforms.proximal_sgd(0.02, regularizers.l1(0.5), momentum=0.5), steps=400)
    np.testing.assert_allclose(history[-1], EXACT, atol=1e-4)
    wrong = transforms.proximal(optax.sgd(0.02, 0.5), regularizers.l1(0.5), 0.02)
    assert np.abs(np.asarray(run(wrong, steps=400)[0][-1]) - EXACT).max() > 0.2


@pytest.mark.parametrize("schedule", [True, False])
def test_momentum_may_be_traced_and_rates_scheduled(schedule):
    rate = optax.constant_schedule(0.02) if schedule else 0.02

    def last(m):
        return run(transforms.proximal_sgd(rate, regularizers.l1(0.5), momentum=m))[0]

    chex.assert_trees_all_close(jax.jit(last)(0.5), last(0.5), rtol=1e-6)


def test_accelerated_is_fista_with_restarts():
    rate, strength = 0.04, 0.5
    scale = np.array([1.0, 4.0, 0.1, 25.0])
    history, state = run(transforms.proximal_sgd(rate, regularizers.l1(strength), accelerated=True), steps=60)
    x, y, t, restarts = np.ones(4), np.ones(4), 1.0, 0
    for got in history:
        z = y - rate * scale * (y - TARGET)
        new = np.sign(z) * np.maximum(np.abs(z) - rate * strength, 0)
        if (y - new) @ (new - x) > 0:
            t, restarts = 1.0, restarts + 1
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        y, x, t = new + (t - 1) / following * (new - x), new, following
        np.testing.assert_allclose(got, y, atol=2e-5)
    assert restarts > 0
    np.testing.assert_allclose(state.solution, x, atol=2e-5)
    np.testing.assert_allclose(state.momentum, t, rtol=1e-5)
    np.testing.assert_array_equal(state.solution == 0, x == 0)
    assert (optax.tree.get(state, "solution") == state.solution).all()


def test_accelerated_beats_plain_steps():
    plain, _ = run(transforms.proximal_sgd(0.04, regularizers.l1(0.5)), steps=60)
    fast, _ = run(transforms.proximal_sgd(0.04, regularizers.l1(0.5), accelerated=True), steps=60)
    assert np.abs(np.asarray(fast[-1]) - EXACT).max() < 0.02 * np.abs(np.asarray(plain[-1]) - EXACT).max()


def test_the_solution_of_acceleration_survives_donated_parameters():
    tx = transforms.proximal_sgd(0.1, regularizers.l1(0.1), accelerated=True)
    params = {"w": jnp.ones(3)}
    state = tx.init(params)
    assert state.solution["w"].unsafe_buffer_pointer() != params["w"].unsafe_buffer_pointer()


def test_a_metric_of_your_own():
    def diagonal(state):
        return optax.tree.get(state, "trace")

    tx = transforms.proximal(optax.trace(0.5), regularizers.l1(1.0), 0.1, metric=diagonal)
    params = jnp.array([1.0, 1.0])
    updates, _ = tx.update(jnp.array([0.5, 2.0]), tx.init(params), params)
    # The update is the trace itself, and the threshold is 0.1 over it.
    np.testing.assert_allclose(params + updates, [1.3, 2.95], rtol=1e-6)
    wrapped = optax.inject_hyperparams(transforms.proximal)(
        optax.trace(0.5), regularizers.l1(1.0), 0.1, metric=transforms.Metric(diagonal)
    )
    chex.assert_trees_all_close(wrapped.update(jnp.array([0.5, 2.0]), wrapped.init(params), params)[0], updates)


def test_inject_hyperparams_gives_schedules_and_numbers():
    factories = {
        "adam": (transforms.proximal_adam, {"learning_rate": 0.1, "weight_decay": 0.1, "b2": 0.9}),
        "sgd": (transforms.proximal_sgd, {"learning_rate": 0.02, "momentum": 0.5}),
        "fista": (transforms.proximal_sgd, {"learning_rate": 0.02, "accelerated": True}),
    }
    for factory, options in factories.values():
        arguments = {"regularizer": regularizers.l1(0.5), **options}
        expected, _ = run(factory(**arguments))
        injected, _ = run(optax.inject_hyperparams(factory)(**arguments))
        chex.assert_trees_all_close(injected, expected, rtol=1e-5, atol=1e-6)
        scheduled = arguments | {"learning_rate": optax.constant_schedule(arguments["learning_rate"])}
        injected, _ = run(optax.inject_hyperparams(factory)(**scheduled))
        chex.assert_trees_all_close(injected, expected, rtol=1e-5, atol=1e-6)


def test_strengths_are_mapped_over_and_differentiated():
    @jax.jit
    def last(strength):
        return run(transforms.proximal_adam(0.1, regularizers.l1(strength)), steps=20)[0][-1]

    strengths = jnp.array([0.1, 0.5])
    swept = jax.vmap(last)(strengths)
    chex.assert_trees_all_close(swept, jnp.stack([last(s) for s in strengths]), rtol=1e-5)
    slope = jax.grad(lambda s: last(s)[0])(0.5)
    np.testing.assert_allclose(slope, (last(0.502)[0] - last(0.498)[0]) / 0.004, rtol=2e-2)


def test_an_optimizer_inside_that_hides_leaves():
    params = {"a": jnp.ones((3, 2)), "b": jnp.ones((3, 2))}
    inner = optax.partition({"t": optax.adam(0.1), "f": optax.set_to_zero()}, {"a": "t", "b": "f"})
    tx = transforms.proximal(inner, regularizers.l1(0.5, mask="a"), 0.1, metric=transforms.adam_metric())
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    np.testing.assert_allclose(params["a"] + updates["a"], 0.85, rtol=1e-5)
    np.testing.assert_array_equal(updates["b"], 0)
    tx = transforms.proximal(inner, regularizers.l1(0.5), 0.1, metric=transforms.adam_metric())
    with pytest.raises(ValueError, match="`metric` must have the leaves of `params`, got none at 'b'"):
        tx.update(params, tx.init(params), params)


def test_describe_tells_both_parts():
    params = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}
    tx = transforms.proximal_adam(0.1, regularizers.l1(0.5, mask="kernel"), weight_decay=0.1, mask="kernel")
    rows = {row.path: row.rules for row in regjax.diagnostics.describe(tx, params).rows}
    assert rows["kernel"] == (
        "decoupled_weight_decay: weight_decay=0.1, learning_rate=0.1",
        "proximal: l1(strength=0.5), learning_rate=0.1, metric='adam_metric'",
    )
    assert rows["bias"] == ()
    fista = transforms.proximal_sgd(0.1, regularizers.l1(0.5), accelerated=True)
    assert regjax.diagnostics.describe(fista, params).rows[0].rules == (
        "proximal: l1(strength=0.5), learning_rate=0.1, metric='identity'",
    )


def test_wrong_arguments():
    l1 = regularizers.l1(0.1)
    with pytest.raises(TypeError, match="`optimizer` must be an Optax optimizer such as"):
        transforms.proximal(0.1, l1, 0.1)
    with pytest.raises(TypeError, match='`metric` must be "identity", a metric such as'):
        transforms.proximal(optax.sgd(0.1), l1, 0.1, metric="adam")
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer"):
        transforms.proximal(optax.sgd(0.1), 0.1, 0.1)
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer"):
        transforms.proximal_sgd(0.1, 0.1, accelerated=True)
    with pytest.raises(TypeError, match="`regularizer` must have a proximal operator, got orthogonal"):
        transforms.proximal_adam(0.1, regularizers.orthogonal(0.1))
    with pytest.raises(TypeError, match="`regularizer` must have a proximal operator in the metric .*, got nuclear"):
        transforms.proximal_adam(0.1, regularizers.nuclear(0.1))
    with pytest.raises(TypeError, match=r"`metric` must be called, `adam_metric\(\)`, got the function itself"):
        transforms.proximal(optax.adam(0.1), l1, 0.1, metric=transforms.adam_metric)
    with pytest.raises(ValueError, match="`mask` must be None without `weight_decay`"):
        transforms.proximal_adam(0.1, l1, mask="kernel")
    with pytest.raises(ValueError, match="`nesterov` must be False without `momentum`"):
        transforms.proximal_sgd(0.1, l1, nesterov=True)
    with pytest.raises(ValueError, match="`learning_rate` must be finite and >= 0, got -1"):
        transforms.proximal_adam(-1.0, l1)
    with pytest.raises(ValueError, match=r"`b1` must be in \[0, 1\), got 1"):
        transforms.proximal_adam(0.1, l1, b1=1.0)
    with pytest.raises(ValueError, match="`nesterov` must be False with `amsgrad=True`, got True"):
        transforms.proximal_adam(0.1, l1, nesterov=True, amsgrad=True)
    with pytest.raises(ValueError, match="`momentum` must be None with `accelerated=True`"):
        transforms.proximal_sgd(0.1, l1, momentum=0.9, accelerated=True)
    with pytest.raises(ValueError, match=r"`momentum` must be in \[0, 1\), got 1"):
        transforms.proximal_sgd(0.1, l1, momentum=1.0)
    with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'kernle'"):
        transforms.proximal_adam(0.1, regularizers.l1(0.1, mask="kernle")).init({"kernel": jnp.ones(2)})


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adabelief", "rmsprop", "adagrad"])
def test_the_identity_is_refused_where_the_metric_is_known(name):
    tx = optax.chain(optax.clip(1.0), getattr(optax, name)(0.1))
    wrapped = transforms.proximal(tx, regularizers.l1(0.1), 0.1)
    with pytest.raises(ValueError, match=rf"`metric` must be `regjax.transforms.{name}_metric\(\)` for this"):
        wrapped.init(jnp.ones(2))
    metric = getattr(transforms, f"{name}_metric")()
    transforms.proximal(tx, regularizers.l1(0.1), 0.1, metric=metric).init(jnp.ones(2))


def test_the_identity_is_refused_wherever_the_state_lies():
    adam, frozen = optax.inject_hyperparams(optax.adam)(0.1), optax.set_to_zero()
    inside = optax.partition({"a": adam, "b": frozen}, {"a": "a", "b": "b"})
    with pytest.raises(ValueError, match="`metric` must be `regjax.transforms.adam_metric"):
        transforms.proximal(inside, regularizers.l1(0.1), 0.1).init({"a": jnp.ones(2), "b": jnp.ones(2)})
    counted = optax.rmsprop(0.1, bias_correction=True)
    with pytest.raises(ValueError, match="`metric` must be `regjax.transforms.rmsprop_metric"):
        transforms.proximal(counted, regularizers.l1(0.1), 0.1).init(jnp.ones(2))


def test_methods_that_step_by_the_sign_are_refused():
    with pytest.raises(ValueError, match="`optimizer` must step in a metric, got Lion"):
        transforms.proximal(optax.lion(0.1), regularizers.l1(0.1), 0.1).init(jnp.ones(2))


def distance(optimizer, metric, rate):
    tx = transforms.proximal(optimizer, regularizers.l1(0.5), rate, metric=metric)
    return np.abs(np.asarray(run(tx, steps=2000)[0][-1]) - EXACT).max()


def test_clipping_that_acts_solves_another_problem():
    falling, metric = optax.linear_schedule(0.1, 0.0, 2000), transforms.adam_metric()
    assert distance(optax.adam(falling), metric, falling) < 1e-3
    clipped = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(falling))
    assert distance(clipped, metric, falling) > 0.5


def test_momentum_of_rmsprop_needs_a_constant_rate():
    metric = transforms.rmsprop_metric()
    assert distance(optax.rmsprop(1e-3, momentum=0.9), metric, 1e-2) < 1e-4
    falling = [optax.linear_schedule(rate, 0.0, 2000) for rate in (1e-3, 1e-2)]
    assert distance(optax.rmsprop(falling[0], momentum=0.9), metric, falling[1]) > 5e-3


def test_a_weight_without_gradients_goes_to_zero_at_once():
    tx = transforms.proximal_adam(1e-3, regularizers.l1(1e-3))
    params = jnp.array([1.0, 1.0])
    updates, _ = tx.update(jnp.array([0.0, -1.0]), tx.init(params), params)
    np.testing.assert_allclose(params + updates, [0.0, 1.000999], rtol=1e-5)


@pytest.mark.parametrize("kind", ["identity", "a number for each leaf", "diagonal"])
def test_large_leaves_in_blocks_equal_whole_ones(monkeypatch, kind):
    params = {
        "conv": jax.random.normal(jax.random.key(0), (3, 3, 5, 7)),
        "dense": jax.random.normal(jax.random.key(1), (23, 11)).astype(jnp.bfloat16),
        "one": jnp.ones((1, 4)),
        "none": None,
    }
    rules = {
        "conv": regularizers.group_lasso(0.3, axis=(0, 1, -1)),
        "**": regularizers.sparse_group_lasso(0.1, 0.2, axis=0),
    }
    gradients = jax.tree.map(jnp.cos, params)

    def metric(state):
        del state
        return jax.tree.map(lambda p: 1 + jnp.abs(p) if kind == "diagonal" else jnp.float32(2.0), params)

    def step():
        read = "identity" if kind == "identity" else metric
        tx = transforms.proximal(optax.sgd(0.1), regularizers.by_path(rules), 0.1, metric=read)
        return jax.jit(tx.update)(gradients, tx.init(params), params)[0]

    whole = step()
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 40)
    monkeypatch.setattr(blocks, "_STRETCH", 3)
    in_blocks = step()
    chex.assert_trees_all_equal_shapes_and_dtypes(in_blocks, whole)
    chex.assert_trees_all_close(in_blocks["conv"], whole["conv"], rtol=1e-6, atol=1e-6)
    # Fused, the update of a bfloat16 leaf is not rounded before it is used.
    chex.assert_trees_all_close(in_blocks["dense"], whole["dense"], atol=1e-3)
    chex.assert_trees_all_equal(in_blocks["one"], whole["one"])
    zeros = jax.tree.map(lambda p, u: np.asarray(p + u == 0), params, in_blocks)
    assert zeros["dense"].any() and not zeros["dense"].all()


@pytest.mark.parametrize("size_scaling", [pytest.param(False, marks=pytest.mark.slow), True])
def test_many_leaves_that_are_alike_equal_few(size_scaling):
    shapes = {f"{kind}{i}": shape for kind, shape in (("a", (4, 3)), ("b", (2, 5, 3))) for i in range(40)}
    params = {name: jax.random.normal(jax.random.key(i), shape) for i, (name, shape) in enumerate(shapes.items())}
    params["z"] = jnp.ones(3)
    rules = {
        "a*": regularizers.group_lasso(0.2, axis=0, size_scaling=size_scaling),
        "b*": regularizers.sparse_group_lasso(0.1, 0.2, axis=(0, -1)),
        "z": regularizers.l1(0.1),
    }
    gradients = jax.tree.map(jnp.cos, params)

    def moved(names):
        some = {pattern: rule for pattern, rule in rules.items() if any(name.startswith(pattern[0]) for name in names)}
        tx = transforms.proximal_adam(0.3, regularizers.by_path(some))
        own = {name: params[name] for name in names}
        return jax.jit(tx.update)({name: gradients[name] for name in names}, tx.init(own), own)[0]

    together = moved(list(params))
    for names in (["a0", "a1"], ["a39"], ["b7"]):
        chex.assert_trees_all_close({name: together[name] for name in names}, moved(names), rtol=2e-6, atol=1e-7)
    zeros = np.concatenate([np.ravel(params[name] + together[name] == 0) for name in shapes])
    assert zeros.any() and not zeros.all()


def test_masks_see_all_parameters_also_beside_large_leaves(monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 8)
    monkeypatch.setattr(blocks, "_STRETCH", 2)
    params = {"w": jnp.ones((6, 4)), "b": jnp.ones(4), "none": jnp.ones(3)}

    def mask(params):
        return {name: leaf.ndim == 2 or len(params) != 3 for name, leaf in params.items()}

    tx = transforms.proximal_step(regularizers.group_lasso(1.0, axis=1, mask=mask), 0.1)
    updates, _ = tx.update({"w": jnp.zeros((6, 4)), "b": jnp.zeros(4), "none": None}, tx.init(params), params)
    np.testing.assert_allclose(updates["w"], -0.1, rtol=1e-5)
    np.testing.assert_array_equal(updates["b"], 0)
    assert updates["none"] is None


@pytest.mark.parametrize("size", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_second_derivatives_go_backwards_through_training(monkeypatch, size):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 64)
    start = jax.random.normal(jax.random.key(0), (size, 4))

    @jax.jit
    def loss(strength):
        tx = transforms.proximal_adam(0.1, regularizers.group_lasso(strength, axis=1))

        def step(carry, _):
            w, state = carry
            updates, state = tx.update(jnp.sin(w), state, w)
            return (w + updates, state), None

        (w, _), _ = jax.lax.scan(step, (start, tx.init(start)), length=2)
        return jnp.sum(jnp.square(w))

    first, second = jax.jit(jax.grad(loss)), jax.jit(jax.grad(jax.grad(loss)))
    np.testing.assert_allclose(first(0.1), (loss(0.11) - loss(0.09)) / 0.02, rtol=1e-2)
    np.testing.assert_allclose(second(0.1), (first(0.11) - first(0.09)) / 0.02, rtol=2e-2)


def test_narrow_second_moments_do_not_change_the_direction():
    params, gradient = jnp.ones(4, jnp.float16), jnp.full(4, 1e-3)
    state_of, ours = optax.adam(1e-3), transforms.proximal_adam(1e-3, regularizers.l1(0.0))
    expected, state = state_of.init(params), ours.init(params)
    for _ in range(3):
        plain, expected = state_of.update(gradient, expected, params)
        updates, state = ours.update(gradient, state, params)
        chex.assert_trees_all_close(updates, plain, rtol=1e-3)


def test_the_group_operator_runs_under_shard_map():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("x",))
    spec = jax.sharding.PartitionSpec("x")
    z = jax.random.normal(jax.random.key(0), (8, 3))

    def operator(z):
        return regjax.prox.group_lasso(z, 0.5, axis=1, metric=1 + jnp.abs(z))

    got = jax.jit(shard_map(operator, mesh=mesh, in_specs=spec, out_specs=spec))(z)
    np.testing.assert_allclose(got, operator(z), rtol=1e-5, atol=1e-7)


def test_a_group_without_leaves_keeps_its_state():
    params = {"w": jnp.ones(3)}
    for regularizer, dtype in ((regularizers.l1(0.1), None), (regularizers.group_lasso(0.1, axis=0), jnp.bfloat16)):
        adam = transforms.proximal_adam(0.1, regularizer, mu_dtype=dtype)
        for tx, tree in (
            (optax.masked(adam, {"w": False}), params),
            (optax.multi_transform({"a": adam, "b": optax.sgd(0.1)}, {"w": "b"}), params),
            (adam, {}),
        ):

            def step(state, _, tx=tx, tree=tree):
                return tx.update(tree, state, tree)[1], None

            state, _ = jax.lax.scan(step, tx.init(tree), length=2)
            chex.assert_trees_all_equal_shapes_and_dtypes(state, tx.init(tree))


def test_an_empty_leaf_needs_no_axis():
    params = {"w": jnp.ones((3, 2)), "empty": jnp.ones(0)}
    tx = transforms.project(constraints.max_norm(1.0, axis=1))
    updates, _ = tx.update(params, tx.init(params), params)
    np.testing.assert_allclose(jnp.linalg.norm(params["w"] + updates["w"], axis=1), 1.0, rtol=1e-6)
