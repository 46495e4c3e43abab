"""What is checked on eight devices, each check a function; `python -m tests.distribution` runs some of them."""

import functools
import json
import operator
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

import regjax.linen
from regjax import (
    augment,
    constraints,
    losses,
    penalties,
    projections,
    prox,
    regularizers,
    stochastic,
    transforms,
)
from tests import cases
from tests.distribution import devices, functions

# No order of additions can change in these, so they are equal bit for bit.
ELEMENTWISE = (
    *(f"prox.{name}-" for name in ("l1", "l2", "l0", "elastic_net", "huber", "mcp", "scad", "log_sum")),
    "projections.box",
    "projections.non_negative",
    "projections.linf_ball",
    "decoupled_weight_decay",
    "add_penalty_gradients",
    "proximal_step-",
    *(name for name in functions.STOCHASTIC if name != "drop_block options"),
)
COLLECTIVE = re.compile(r"\b(all-(gather|reduce|to-all)|collective-(permute|broadcast)|reduce-scatter)\b")


@functools.cache
def _key() -> jax.Array:
    return jax.random.key(1)


@functools.cache
def _tree() -> dict[str, Any]:
    return jax.tree.map(jnp.asarray, functions.parameters())


def _all_of(names: Iterable[str]) -> Callable[..., dict[str, Any]]:
    return jax.jit(lambda tree, key: {name: functions.ALL[name](tree, key) for name in names})


@functools.cache
def _on_one_device(names: tuple[str, ...]) -> dict[str, Any]:
    return _all_of(names)(_tree(), _key())


def _assert_equal(got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert got.keys() == expected.keys() and got
    for name, result in expected.items():
        pairs = zip(jax.tree.leaves(got[name]), jax.tree.leaves(result), strict=True)
        for a, b in (map(np.asarray, pair) for pair in pairs):
            if name.startswith(ELEMENTWISE):
                np.testing.assert_array_equal(a, b, err_msg=name)
            else:
                largest = np.max(np.abs(b, where=np.isfinite(b), out=np.zeros(b.shape)), initial=1.0)
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * largest, err_msg=name)


def jit_gives_the_same(names: tuple[str, ...]) -> None:
    sharded = devices.put(_tree(), devices.SPECS)
    _assert_equal(_all_of(names)(sharded, _key()), _on_one_device(names))


def explicit_axes_give_the_same(names: tuple[str, ...]) -> None:
    sharded = devices.put(_tree(), devices.SPECS, explicit=True)
    _assert_equal(_all_of(names)(sharded, _key()), _on_one_device(names))


def shard_map_acts_on_every_shard(names: tuple[str, ...]) -> None:
    """Functions see their shard and nothing else, with the same key on all of them."""

    def on_shard(tree: Any, key: jax.Array) -> Any:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None, None], _all_of(names)(tree, key))

    specs = (devices.SPECS, PartitionSpec())
    got = jax.jit(devices.shard_map(on_shard, specs, PartitionSpec(*devices.NAMES)))(_tree(), _key())
    on_one = _all_of(names)
    for row, column in ((0, 0), (3, 1)):
        kernel = _tree()["kernel"][4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        part = {"bias": _tree()["bias"][4 * column : 4 * column + 4], "kernel": kernel}
        of_shard = jax.tree.map(operator.itemgetter((row, column)), got)
        _assert_equal(of_shard, on_one(part, _key()))


def check_jit() -> None:
    jit_gives_the_same(SOME)


def check_shard_map() -> None:
    shard_map_acts_on_every_shard(SOME)


def check_jit_everything() -> None:
    jit_gives_the_same(tuple(functions.ALL))


def check_explicit_axes_everything() -> None:
    if devices.HAS_EXPLICIT:
        explicit_axes_give_the_same(tuple(functions.ALL))


def check_shard_map_everything() -> None:
    shard_map_acts_on_every_shard(tuple(functions.ALL))


def check_explicit_types() -> None:
    """On explicit axes every function can be traced, and operators return what is sharded as their argument."""
    if not devices.HAS_EXPLICIT:
        return
    sharded = devices.put(_tree(), devices.SPECS, explicit=True)
    for name in functions.OPERATORS | functions.STEPS | functions.STOCHASTIC | functions.MODELS | functions.MAPPED:
        got = jax.eval_shape(functions.ALL[name], sharded, _key())
        if hasattr(jax, "set_mesh"):  # within it types have to agree that JAX does not compare outside
            with jax.set_mesh(devices.mesh(explicit=True)):
                got = jax.eval_shape(functions.ALL[name], sharded, _key())
        if name.startswith(("prox.", "projections.", *functions.STEPS)):
            for leaf, spec in ((got["kernel"], PartitionSpec("data", "model")), (got["bias"], PartitionSpec("model"))):
                assert leaf.sharding.spec == spec, (name, leaf.sharding)


def check_explicit_types_of_derivatives() -> None:
    """Within `jax.set_mesh` the type of a direction has to say that it is sharded as what it belongs to."""
    if not (devices.HAS_EXPLICIT and hasattr(jax, "set_mesh")):
        return
    sharded = devices.put(_tree(), devices.SPECS, explicit=True)
    names = [name for name in functions.MODELS if "_penalty" in name or "adversarial" in name]
    with jax.set_mesh(devices.mesh(explicit=True)):
        got = jax.jit(lambda tree, key: {name: functions.ALL[name](tree, key) for name in names})(sharded, _key())
    _assert_equal(got, {name: _on_one_device(tuple(names))[name] for name in names})


def check_many_leaves_on_explicit_axes() -> None:
    """Where a tree has many leaves of a shape, which share their trace, nothing cuts what is sharded."""
    if not (devices.HAS_EXPLICIT and hasattr(jax, "set_mesh")):
        return
    kernel = jnp.sin(jnp.arange(32.0)).reshape(8, 4)
    tree = {f"w{i}": kernel + i / 40 for i in range(33)}
    group, bound = regularizers.group_lasso(0.1, axis=0), constraints.max_norm(0.5)
    rules = {
        "decoupled_weight_decay": transforms.decoupled_weight_decay(0.1, 0.5),
        "add_penalty_gradients": transforms.add_penalty_gradients(regularizers.l1(0.1)),
        "proximal_step-l1": transforms.proximal_step(regularizers.l1(0.1), 0.5),
        "proximal_step of groups": transforms.proximal_step(group, 0.5),
        "project": transforms.project(bound),
    }
    larger = {
        "proximal_adam": transforms.proximal_adam(0.1, regularizers.l1(0.1)),
        "proximal_adam of groups": transforms.proximal_adam(0.1, group),
    }

    def run(tree: Any, rules: Any) -> Any:
        updates = {name: tx.update(tree, tx.init(tree), tree)[0] for name, tx in rules.items()}
        return updates | {"penalties.l1": penalties.l1(tree, 1.0), "projections.max_norm": bound.project(tree)}

    for spec in (PartitionSpec("data", "model"), PartitionSpec(None, "model")):
        sharded = devices.put(tree, dict.fromkeys(tree, spec), explicit=True)
        with jax.set_mesh(devices.mesh(explicit=True)):
            shapes = jax.eval_shape(functools.partial(run, rules=rules | larger), sharded)
        assert shapes["project"]["w3"].sharding.spec == spec
    few = jax.jit(functools.partial(run, rules=rules))
    _assert_equal(few(sharded), few(tree))


def check_explicit_axes_need_no_jit_to_map() -> None:
    """What maps over examples moves its keys to where those are; the result stays there."""
    if not devices.HAS_EXPLICIT:
        return
    sharded, names = devices.put(_tree(), devices.SPECS, explicit=True), tuple(functions.MAPPED)
    got = {name: functions.ALL[name](sharded, _key()) for name in names}
    _assert_equal(got, _on_one_device(names))
    assert got["per_example"].sharding.spec == devices.SPECS["kernel"]


def check_explicit_axes_let_examples_take_branches() -> None:
    """A conditional that is mapped over needs to know of the mesh, also under `jax.jit` alone."""
    if not devices.HAS_EXPLICIT:
        return
    x, rows = {"x": jnp.ones((16, 8))}, {"x": PartitionSpec("data")}
    sharded = devices.put(x, rows, explicit=True)
    either = augment.per_example(augment.random_apply(lambda key, x: x + jax.random.normal(key, x.shape), 0.5))
    for function in (either, jax.jit(either)):
        _assert_equal({"either": function(_key(), sharded["x"])}, {"either": either(_key(), x["x"])})


# Of one key, each with the names of the axes along which shards draw for themselves.
BY_SHARD: dict[str, Callable[..., Any]] = {
    "dropout": lambda key, x, axes: stochastic.dropout(key, x, 0.4, axis_name=axes),
    "dropout with 8 bits, recomputed": lambda key, x, axes: stochastic.dropout(
        key, x, 0.4, bits=8, recompute=True, axis_name=axes
    ),
    "gaussian_dropout": lambda key, x, axes: stochastic.gaussian_dropout(key, x, 0.4, axis_name=axes),
    "gaussian_noise": lambda key, x, axes: stochastic.gaussian_noise(key, x, 0.4, axis_name=axes),
    "alpha_dropout": lambda key, x, axes: stochastic.alpha_dropout(key, x, 0.4, axis_name=axes),
    "feature_alpha_dropout": lambda key, x, axes: stochastic.feature_alpha_dropout(key, x, 0.4, axis_name=axes),
    "concrete_dropout": lambda key, x, axes: stochastic.concrete_dropout(key, x, -1.0, axis_name=axes),
    "drop_block": lambda key, x, axes: stochastic.drop_block(key, x[None], 0.4, block_size=2, axis_name=axes)[0],
    "drop_connect": lambda key, x, axes: stochastic.drop_connect(key, {"w": x}, 0.4, axis_name=axes)["w"],
    "embedding_dropout": lambda key, x, axes: stochastic.embedding_dropout(key, x, 0.4, axis_name=axes),
    "stochastic_depth": lambda key, x, axes: stochastic.stochastic_depth(key, x, 0.4, axis_name=axes),
    **{
        f"residual_block {mode}": lambda key, x, axes, m=mode: stochastic.residual_block(
            key, jnp.sin, x, 0.5, mode=m, axis_name=axes
        )
        for mode in ("row", "batch", "subset", "skip")
    },
    "linen.Dropout": lambda key, x, axes: regjax.linen.Dropout(0.4, axis_name=axes).apply({}, x, False, key),
}


def check_shards_draw_for_themselves() -> None:
    """With `axis_name`, shard i of eight draws with `fold_in(key, i)`, as documented; without, all draw the same."""
    x = jnp.ones((16, 8))

    def on_shard(x: jax.Array, key: jax.Array) -> Any:
        both = {name: (f(key, x, devices.NAMES), f(key, x, None)) for name, f in BY_SHARD.items()}
        return jax.tree.map(lambda leaf: leaf[None, None], both)

    mesh_axes = PartitionSpec(*devices.NAMES)
    got = jax.jit(devices.shard_map(on_shard, (mesh_axes, PartitionSpec()), mesh_axes))(x, _key())
    alone = jax.jit(lambda key: {name: f(key, jnp.ones((4, 4)), None) for name, f in BY_SHARD.items()})
    same = alone(_key())
    folded = [alone(jax.random.fold_in(_key(), index)) for index in range(8)]
    for name, (own, shared) in got.items():
        for index in range(8):
            row, column = divmod(index, 2)
            np.testing.assert_array_equal(own[row, column], folded[index][name], err_msg=name)
            np.testing.assert_array_equal(shared[row, column], same[name], err_msg=name)
        assert len(np.unique(np.reshape(own, (8, -1)), axis=0)) > 1, name


def check_subset_draws_and_computes_in_every_shard() -> None:
    rows_seen = []

    def branch(rows: jax.Array) -> jax.Array:
        rows_seen.append(len(rows))
        return jnp.ones_like(rows)

    def block(x: jax.Array, key: jax.Array) -> jax.Array:
        return stochastic.residual_block(key, branch, x, 0.5, mode="subset", axis_name="data")

    specs = PartitionSpec("data"), PartitionSpec()
    compiled = (
        jax.jit(devices.shard_map(block, specs, PartitionSpec("data"))).lower(jnp.zeros((32, 3)), _key()).compile()
    )
    assert set(rows_seen) == {4}  # half of the 8 rows of a shard
    assert not COLLECTIVE.search(compiled.as_text())
    changed = np.asarray(compiled(jnp.zeros((32, 3)), _key())).reshape(4, 8, 3)[..., 0]
    np.testing.assert_array_equal((changed == 2).sum(1), 4)
    assert len(np.unique(changed, axis=0)) > 1


def _gradient_of_skipping_shards(own: Callable[[jax.Array], jax.Array]) -> Callable[..., jax.Array]:
    """Returns the gradient by a kernel that a branch closes over, by `own`, where each shard skips by itself."""

    def on_shard(kernel: jax.Array, x: jax.Array, key: jax.Array) -> jax.Array:
        def loss(kernel: jax.Array) -> jax.Array:
            mine = own(kernel)
            y = stochastic.residual_block(
                key, lambda rows: jnp.tanh(rows @ mine), x, 0.5, mode="skip", axis_name=devices.NAMES
            )
            return jax.lax.psum(jnp.sum(y**2), devices.NAMES)

        return jax.grad(loss)(kernel)

    specs = PartitionSpec(), PartitionSpec(devices.NAMES), PartitionSpec()
    return jax.jit(devices.shard_map(on_shard, specs, PartitionSpec()))


def check_skipping_shards_have_parameters_of_their_own() -> None:
    """As documented: parameters that all shards share become their own before the block, and their gradient a sum."""
    if not devices.IS_CHECKED:
        return

    def own(kernel: jax.Array) -> jax.Array:
        if hasattr(jax.lax, "pcast"):
            return jax.lax.pcast(kernel, devices.NAMES, to="varying")
        return jax.lax.pvary(kernel, devices.NAMES)

    x, kernel = _tree()["kernel"], jnp.linspace(-0.5, 0.5, 64).reshape(8, 8)

    def loss(kernel: jax.Array, key: jax.Array) -> jax.Array:
        def shard(at: int) -> jax.Array:
            own_key, rows = jax.random.fold_in(key, at), x[2 * at : 2 * at + 2]
            return stochastic.residual_block(own_key, lambda rows: jnp.tanh(rows @ kernel), rows, 0.5, mode="skip")

        return sum((jnp.sum(shard(at) ** 2) for at in range(8)), jnp.float32(0))

    parallel, alone = _gradient_of_skipping_shards(own), jax.jit(jax.grad(loss))
    for seed in range(3):
        key = jax.random.key(seed)
        np.testing.assert_allclose(parallel(kernel, x, key), alone(kernel, key), rtol=1e-5, atol=1e-5)


def check_skipping_shards_share_no_parameters() -> None:
    """What would wait without end for the shards that skipped is refused."""
    if devices.IS_CHECKED:
        with pytest.raises(ValueError, match=r"shared along \('data', 'model'\).* `jax.lax.pcast"):
            _gradient_of_skipping_shards(lambda kernel: kernel)(jnp.ones((8, 8)), _tree()["kernel"], _key())


def check_data_parallel_step() -> None:
    """Parameters stay the same on all shards, and `shard_map` knows that they do."""
    x, y = jnp.asarray(np.random.default_rng(1).normal(size=(16, 16)), jnp.float32), jnp.arange(16) % 8
    tx = optax.chain(
        regjax.transforms.add_penalty_gradients(regularizers.l2(0.1)),
        optax.clip_by_global_norm(10.0),
        transforms.proximal_sgd(0.1, regularizers.sparse_group_lasso(0.01, 0.02, axis=-1), accelerated=True),
    )
    last = transforms.project(
        constraints.intersection(constraints.max_norm(1.5), constraints.box(-1.0, 0.9), num_iterations=5)
    )

    def loss(params: Any, x: jax.Array, y: jax.Array, scale: jax.Array, average: Callable[[Any], Any]) -> jax.Array:
        logits = (x * scale) @ params["kernel"] + params["bias"]
        return average(losses.softmax_cross_entropy(logits, y, label_smoothing=0.1).mean())

    def step(params: Any, x: jax.Array, y: jax.Array, scale: jax.Array, average: Callable[[Any], Any]) -> Any:
        state = tx.init(params)

        def one(carry: Any, _: None) -> Any:
            params, state = carry
            updates, state = tx.update(average(jax.grad(loss)(params, x, y, scale, average)), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(one, (params, state), length=3)
        updates, _ = last.update(jax.tree.map(jnp.zeros_like, params), last.init(params), params)
        return optax.apply_updates(params, updates), state

    rows = PartitionSpec(devices.NAMES)

    def on_shard(params: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> Any:
        scale = stochastic.dropout(key, jnp.ones_like(x), 0.3, axis_name=devices.NAMES)
        return step(params, x, y, scale, lambda tree: jax.lax.pmean(tree, devices.NAMES))

    everywhere = PartitionSpec()
    parallel = devices.shard_map(on_shard, (everywhere, rows, rows, everywhere), everywhere)
    got = jax.jit(parallel)(_tree(), x, y, _key())
    shards = [stochastic.dropout(jax.random.fold_in(_key(), i), jnp.ones((2, 16)), 0.3) for i in range(8)]
    expected = jax.jit(functools.partial(step, average=lambda g: g))(_tree(), x, y, jnp.concatenate(shards))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)


def check_state_follows_the_parameters() -> None:
    """Fully sharded training: state like a parameter is sharded like it, and an update leaves all shardings alone."""
    params = devices.put(_tree(), devices.SPECS)
    rules = {name: make() for name, make in cases.TRANSFORMS.items() if not name.endswith(("-tree", "step-metric"))}

    def update(params: Any, states: Any) -> Any:
        gradients = jax.tree.map(lambda leaf: 0.3 * leaf, params)
        both = {name: tx.update(gradients, states[name], params, value=1.0) for name, tx in rules.items()}
        return {name: pair[0] for name, pair in both.items()}, {name: pair[1] for name, pair in both.items()}

    states = {name: tx.init(params) for name, tx in rules.items()}
    updates, after = jax.jit(update)(params, states)
    found = 0
    for tree in (states, updates, after):
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            for param in params.values():
                if leaf.shape == param.shape:
                    found += 1
                    assert leaf.sharding.is_equivalent_to(param.sharding, leaf.ndim), (path, leaf.sharding)
    assert found > 4 * len(rules)
    if devices.HAS_EXPLICIT:
        explicit = devices.put(_tree(), devices.SPECS, explicit=True)
        # Optax begins with zeros, which since 0.12 do not know of a mesh under `jit`; these two copy the parameters.
        copying = {name: rules[name] for name in ("proximal_sgd-accelerated", "decoupled_weight_decay-anchor")}
        begun = jax.eval_shape(
            jax.jit(lambda params: {name: tx.init(params) for name, tx in copying.items()}), explicit
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(begun):
            for param in explicit.values():
                if leaf.shape == param.shape:
                    assert leaf.sharding.spec == param.sharding.spec, (path, leaf.sharding)


def _compiled(function: Callable[..., Any], *arguments: Any) -> str:
    return jax.jit(function).lower(*arguments).compile().as_text()


def _is_local(text: str) -> bool:
    """Tells whether a program of arrays `[24, 40]` on 4 x 2 devices exchanges nothing and holds no array of all."""
    assert "[6,20]" in text
    return not COLLECTIVE.search(text) and not re.search(r"\[24,40\]|\[960\]", text)


def check_what_is_elementwise_exchanges_nothing() -> None:
    x = devices.put({"kernel": jnp.ones((24, 40))}, {"kernel": devices.SPECS["kernel"]})
    adam = transforms.proximal_adam(0.1, regularizers.l1(0.1))
    decay = transforms.decoupled_weight_decay(0.1, 0.5)

    def elementwise(tree: Any, state: Any, key: jax.Array) -> Any:
        def loss(w: jax.Array) -> jax.Array:
            kept = stochastic.dropout(key, w, 0.3) + stochastic.dropout(key, w, 0.3, bits=8, recompute=True)
            return jnp.sin(stochastic.dropout(key, kept, 0.3, broadcast_dims=(1,)))

        _, pull = jax.vjp(loss, tree["kernel"])
        gradients = {"kernel": pull(tree["kernel"])[0]}
        stepped = adam.update(gradients, state, tree)
        return stepped, prox.l1(tree, 0.1), decay.update(gradients, decay.init(tree), tree)[0]

    assert _is_local(_compiled(elementwise, x, adam.init(x), _key()))
    # These can't be computed without an exchange.
    control = _compiled(lambda tree: projections.max_norm(tree, 1.0), x)
    assert not _is_local(control) and "all-reduce" in control
    assert not _is_local(_compiled(lambda tree: jnp.sort(tree["kernel"]), x))


def check_a_wrong_name_is_said() -> None:
    def on_shard(x: jax.Array) -> jax.Array:
        return stochastic.dropout(_key(), x, 0.5, axis_name="modle")

    with pytest.raises(ValueError, match="`axis_name` must name axes .* got 'modle'"):
        jax.jit(devices.shard_map(on_shard, PartitionSpec("data"), PartitionSpec("data")))(jnp.ones(8))


# One of each kind, since all take minutes to compile.
SOME = tuple(
    name
    for name in functions.ALL
    if name.startswith(
        (
            "prox.l1-strength=0.7",
            "penalties.group_lasso-strength=0.4",
            "projections.max_norm-bound=1.1",
            "intersection",
            "add_penalty_gradients",
            "proximal_adam-options",
            "dropout with 8",
            "residual_block s",
            "mc_classify",
            "jacobian_penalty, forward",
            "virtual_adversarial",
            "norms",
        )
    )
)
CHECKS = {name.removeprefix("check_"): value for name, value in list(globals().items()) if name.startswith("check_")}
# If they fail some devices may wait for others without end.
HANGING = {name for name in CHECKS if name.startswith("skipping_shards_")}
SLOW = {name for name in CHECKS if name.endswith("_everything")}


def main(names: list[str]) -> None:
    """Runs checks and prints what was wrong with each as JSON, a traceback or nothing."""
    assert jax.device_count() == 8
    found = {}
    for name in names:
        start = time.process_time()
        try:
            CHECKS[name]()
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
        print(f"{name}: {time.process_time() - start:.1f} s", file=sys.stderr)
    print(json.dumps(found))
