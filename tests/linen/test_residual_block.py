"""Residual blocks in Linen: the numbers of the function, with modules and their state inside."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen, stochastic

X = jnp.linspace(-1.0, 1.0, 18).reshape(6, 3)
MODES = ["row", "batch", "subset", "skip"]
every_mode = pytest.mark.parametrize("mode", MODES)


class Branch(nn.Module):
    """Keeps statistics, draws random numbers and counts its rows."""

    @nn.compact
    def __call__(self, x, scale=1.0, *, deterministic=None):
        self.variable("seen", "rows", lambda: jnp.zeros((), int)).value += len(x)
        x = nn.BatchNorm(use_running_average=bool(deterministic), name="norm")(nn.Dense(3, name="dense")(x))
        return scale * linen.Dropout(0.5)(x, deterministic)


@every_mode
def test_numbers_are_those_of_the_function(mode):
    block = linen.ResidualBlock(nn.Dense(3), 0.4, mode=mode)
    variables = block.init(jax.random.key(0), X)
    params = {"params": variables["params"]["residual"]}

    def branch(x):
        return nn.Dense(3).apply(params, x)

    @jax.jit
    def run(key):
        return block.apply(variables, X, deterministic=False, rng=key)

    @jax.jit
    def function(key):
        return stochastic.residual_block(key, branch, X, 0.4, mode=mode)

    for seed in range(5):
        np.testing.assert_array_equal(run(jax.random.key(seed)), function(jax.random.key(seed)))
    np.testing.assert_allclose(block.apply(variables, X, deterministic=True), X + branch(X), rtol=1e-6)


@every_mode
def test_state_random_numbers_and_arguments_reach_the_branch(mode):
    block = linen.ResidualBlock(Branch(), 0.5, mode=mode)
    variables = block.init(jax.random.key(0), X)
    assert set(variables) == {"params", "batch_stats", "seen"}
    before = variables["batch_stats"]["residual"]["norm"]["mean"]

    @jax.jit
    def run(key):
        # A scale of 0 hides the numbers, not the state.
        return block.apply(
            variables, X, 0.0, deterministic=False, rngs={"dropout": key}, mutable=["batch_stats", "seen"]
        )

    @jax.jit
    def visible(key):
        return block.apply(
            variables, X, scale=2.0, deterministic=False, rngs={"dropout": key}, mutable=["batch_stats", "seen"]
        )

    rows = {"row": {6}, "batch": {6}, "subset": {3}, "skip": {0, 6}}[mode]
    seen = set()
    for seed in range(12):
        y, updated = run(jax.random.key(seed))
        np.testing.assert_array_equal(y, X)
        z, _ = visible(jax.random.key(seed))
        count = int(updated["seen"]["residual"]["rows"] - variables["seen"]["residual"]["rows"])
        seen.add(count)
        moved = not np.array_equal(updated["batch_stats"]["residual"]["norm"]["mean"], before)
        assert moved == (count > 0)
        if count == 0:
            np.testing.assert_array_equal(z, X)
    assert seen == rows
    # In evaluation nothing moves: `deterministic` is passed on to the branch.
    y, updated = block.apply(variables, X, deterministic=True, mutable=["batch_stats", "seen"])
    np.testing.assert_array_equal(updated["batch_stats"]["residual"]["norm"]["mean"], before)


def test_subset_draws_a_row_even_at_rate_one():
    block = linen.ResidualBlock(nn.Dense(3), 1.0, mode="subset", deterministic=False)
    variables = block.init(jax.random.key(0), X)
    bound = nn.Dense(3).bind({"params": variables["params"]["residual"]})
    for seed in range(4):
        wanted = stochastic.residual_block(jax.random.key(seed), bound, X, 1.0, mode="subset")
        np.testing.assert_allclose(block.apply(variables, X, rng=jax.random.key(seed)), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="`rngs` must have a key for the stream 'dropout'"):
        block.apply(variables, X)


@every_mode
def test_the_flag_of_the_branch_may_differ(mode):
    block = linen.ResidualBlock(nn.Dense(3), 0.5, mode=mode)
    variables = block.init(jax.random.key(0), X)
    block.apply(variables, X, deterministic=False, rng=jax.random.key(0))  # Dense has no such argument
    inner = linen.ResidualBlock(linen.Dropout(1.0, deterministic=False), 0.0, mode=mode)
    np.testing.assert_array_equal(inner.apply({}, X), X)
    np.testing.assert_array_equal(inner.apply({}, X, deterministic=True), 2 * X)


def test_skip_computes_nothing_when_the_branch_is_dropped():
    runs = []

    class Spy(nn.Module):
        @nn.compact
        def __call__(self, x):
            jax.debug.callback(lambda: runs.append(None))
            return nn.Dense(3, bias_init=nn.initializers.ones)(x)

    block = linen.ResidualBlock(Spy(), 0.5, mode="skip", deterministic=False)
    variables = block.init(jax.random.key(0), X)
    jax.effects_barrier()
    runs.clear()
    run = jax.jit(lambda key: block.apply(variables, X, rngs={"dropout": key}))
    kept = sum(not np.array_equal(run(jax.random.key(seed)), X) for seed in range(20))
    jax.effects_barrier()
    assert len(runs) == kept
    assert 0 < kept < 20


@every_mode
def test_the_dtype_is_that_of_the_sum(mode):
    # Parameters in float32 widen the branch.
    block = linen.ResidualBlock(nn.Dense(3), 0.5, mode=mode)
    x = X.astype(jnp.bfloat16)
    variables = block.init(jax.random.key(0), x)
    for flags in ({"deterministic": True}, {"deterministic": False}, {"deterministic": False, "rate": 1.0}):
        run = functools.partial(block.apply, rng=jax.random.key(1), **flags)
        assert jax.eval_shape(run, variables, x).dtype == jnp.float32
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    assert jax.eval_shape(run, narrow, x).dtype == jnp.bfloat16


@every_mode
def test_gradients_are_those_of_the_function(mode):
    block = linen.ResidualBlock(nn.Dense(3), 0.5, mode=mode, deterministic=False)
    variables = block.init(jax.random.key(0), X)["params"]["residual"]

    @jax.jit
    def gradients(params, key):
        key_again = jax.random.clone(key)
        ours = jax.grad(lambda p: (block.apply({"params": {"residual": p}}, X, rng=key) ** 2).sum())(params)
        theirs = jax.grad(
            lambda p: (
                stochastic.residual_block(key_again, lambda x: nn.Dense(3).apply({"params": p}, x), X, 0.5, mode=mode)
                ** 2
            ).sum()
        )(params)
        return ours, theirs

    ours, theirs = gradients(variables, jax.random.key(3))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, theirs)


@every_mode
def test_stacks_scan_over_rates_and_drop_differently(scan, mode):
    rates = stochastic.stochastic_depth_rates(5, 0.5)

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, rate):
            constant = nn.Dense(3, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.ones)
            block = linen.ResidualBlock(constant, 0.5, mode=mode, deterministic=False)
            y = block(x) if mode == "subset" else block(x, rate=rate)
            return y, y - x

    stack = scan(nn.remat(Layer, prevent_cse=False), {"params": 0}, split_rngs={"params": True, "dropout": True})()
    variables = stack.init(jax.random.key(0), X, jnp.stack(rates))
    run = jax.jit(stack.apply)
    added = np.stack([run(variables, X, jnp.stack(rates), rngs={"dropout": jax.random.key(s)})[1] for s in range(6)])
    kept = added[..., 0] > 0.5
    assert len({layer.tobytes() for layer in kept[:, 1:].swapaxes(0, 1)}) > 1
    if mode == "subset":
        assert (kept.sum(-1) == 3).all()
    else:
        assert kept[:, 0].all()
        scales = added[kept].reshape(-1, 3)
        for rate in rates[1:]:
            assert np.isclose(scales, 1 / (1 - rate), rtol=1e-5).any()


def test_vmap_turns_skip_into_a_choice():
    block = linen.ResidualBlock(nn.Dense(3), 0.5, mode="skip", deterministic=False)
    variables = block.init(jax.random.key(0), X)

    def run(key):
        return block.apply(variables, X, rng=key)

    mapped = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), 8))
    looped = [jax.jit(run)(key) for key in jax.random.split(jax.random.key(1), 8)]
    np.testing.assert_allclose(mapped, jnp.stack(looped), rtol=1e-6)


def test_branches_that_share_parameters_with_others():
    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x):
            shared = nn.Dense(3)
            block = linen.ResidualBlock(nn.Sequential([shared, nn.relu]), 0.5, mode="skip", deterministic=False)
            return block(shared(x))

    variables = Outer().init(jax.random.key(0), X)
    assert jax.tree.leaves(variables)[1].shape == (3, 3)
    assert len(jax.tree.leaves(variables)) == 2
    assert Outer().apply(variables, X, rngs={"dropout": jax.random.key(1)}).shape == X.shape


def test_a_branch_must_keep_the_shape():
    for mode in MODES:
        with pytest.raises(ValueError, match=r"`residual` must have the shape \(6, 3\) of `x`, got \(6, 4\)"):
            linen.ResidualBlock(nn.Dense(4), 0.5, mode=mode).init(jax.random.key(0), X)


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("mode", ["row", "subset"])
def test_a_number_has_no_rows(mode, rate):
    with pytest.raises(ValueError, match=r"`x` must have a leading axis, got shape \(\)"):
        linen.ResidualBlock(nn.Dense(1), rate, mode=mode).init(jax.random.key(0), jnp.float32(1.0))


def test_lanes_that_exchange_something_and_have_one_key_have_the_gradients_of_batch():
    class Exchanging(nn.Module):
        @nn.compact
        def __call__(self, x):
            own = jnp.tanh(nn.Dense(3)(x))
            return own if self.is_initializing() else own - jax.lax.pmean(own, "lanes") ** 2

    x = jnp.sin(jnp.arange(36.0)).reshape(3, 4, 3)

    def gradients(mode, seed):
        block = linen.ResidualBlock(Exchanging(), 0.5, mode=mode, deterministic=False)
        variables = block.init(jax.random.key(0), x[0])

        def total(variables, x):
            return jnp.sum(block.apply(variables, x, rng=jax.random.key(seed)) ** 2)

        return jax.jit(jax.vmap(jax.grad(total, (0, 1)), (None, 0), axis_name="lanes"))(variables, x)

    for seed in (0, 1):
        for ours, theirs in zip(*(jax.tree.leaves(gradients(mode, seed)) for mode in ("skip", "batch")), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("residual", "got"), [(nn.Dense, "the class Dense"), (3, "3")])
def test_the_branch_must_be_a_module(residual, got):
    with pytest.raises(TypeError, match=f"`residual` must be a module, got {got}"):
        linen.ResidualBlock(residual, 0.5)
