"""Residual blocks in NNX: the numbers of the function, with modules and their state inside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import stochastic
from regjax.nnx import Dropout, ResidualBlock

X = jnp.linspace(-1.0, 1.0, 18).reshape(6, 3)
MODES = ["row", "batch", "subset", "skip"]
every_mode = pytest.mark.parametrize("mode", MODES)


def linear(**options):
    return nnx.Linear(3, 3, rngs=nnx.Rngs(0), **options)


class Branch(nnx.Module):
    """Keeps statistics, draws random numbers and counts its rows."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.linear = linear()
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.drop = Dropout(0.5, rngs=rngs)
        self.rows = nnx.BatchStat(jnp.zeros((), int))

    def __call__(self, x, scale=1.0, *, deterministic=None):
        self.rows[...] += len(x)
        x = self.norm(self.linear(x), use_running_average=deterministic)
        return scale * self.drop(x, deterministic=deterministic)


@every_mode
def test_numbers_are_those_of_the_function(mode):
    block = ResidualBlock(linear(), 0.4, mode=mode)
    branch = linear()

    @nnx.jit
    def run(block, key):
        return block(X, rngs=key)

    @nnx.jit
    def function(branch, key):
        return stochastic.residual_block(key, branch, X, 0.4, mode=mode)

    for seed in range(5):
        np.testing.assert_array_equal(run(block, jax.random.key(seed)), function(branch, jax.random.key(seed)))
    np.testing.assert_allclose(block(X, deterministic=True), X + branch(X), rtol=1e-6)


@every_mode
def test_state_random_numbers_and_arguments_reach_the_branch(mode):
    block = ResidualBlock(Branch(), 0.5, mode=mode, rngs=nnx.Rngs(1))

    @nnx.jit
    def run(block):
        # A scale of 0 hides the numbers, not the state.
        return block(X, scale=0.0)

    rows = {"row": {6}, "batch": {6}, "subset": {3}, "skip": {0, 6}}[mode]
    seen = set()
    for _ in range(12):
        before = nnx.to_pure_dict(nnx.state(block.residual))
        np.testing.assert_array_equal(run(block), X)
        after = nnx.to_pure_dict(nnx.state(block.residual))
        count = int(after["rows"] - before["rows"])
        seen.add(count)
        assert (not np.array_equal(after["norm"]["mean"], before["norm"]["mean"])) == (count > 0)
        assert int(after["drop"]["rngs"]["count"] - before["drop"]["rngs"]["count"]) == (count > 0)
    assert seen == rows
    # In evaluation no statistic moves and nothing is drawn: `deterministic` is passed on to the branch.
    before = nnx.to_pure_dict(nnx.state(block.residual))
    block(X, 2.0, deterministic=True)
    after = nnx.to_pure_dict(nnx.state(block.residual))
    np.testing.assert_array_equal(after["norm"]["mean"], before["norm"]["mean"])
    assert int(after["drop"]["rngs"]["count"]) == int(before["drop"]["rngs"]["count"])


def test_subset_draws_a_row_even_at_rate_one():
    block = ResidualBlock(linear(), 1.0, mode="subset")
    for seed in range(4):
        wanted = stochastic.residual_block(jax.random.key(seed), linear(), X, 1.0, mode="subset")
        np.testing.assert_allclose(block(X, rngs=jax.random.key(seed)), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="`rngs` must be given"):
        block(X)


def test_eval_switches_the_block_and_the_branch():
    block = ResidualBlock(Dropout(1.0), 0.5)
    block.eval()
    np.testing.assert_array_equal(block(X), 2 * X)
    np.testing.assert_array_equal(ResidualBlock(Dropout(1.0), 0.0)(X), X)
    assert ResidualBlock(linear(), 0.5)(X, deterministic=True) is not None  # Linear has no such argument


def test_skip_computes_nothing_when_the_branch_is_dropped():
    runs = []

    class Spy(nnx.Module):
        def __init__(self):
            self.linear = linear(bias_init=nnx.initializers.ones)

        def __call__(self, x):
            jax.debug.callback(lambda: runs.append(None))
            return self.linear(x)

    block = ResidualBlock(Spy(), 0.5, mode="skip", rngs=nnx.Rngs(0))
    run = nnx.jit(lambda block: block(X))
    kept = sum(not np.array_equal(run(block), X) for _ in range(20))
    jax.effects_barrier()
    assert len(runs) == kept
    assert 0 < kept < 20


@every_mode
def test_the_dtype_is_that_of_the_sum(mode):
    x = X.astype(jnp.bfloat16)
    for options, dtype in (({}, jnp.float32), ({"param_dtype": jnp.bfloat16}, jnp.bfloat16)):
        block = ResidualBlock(linear(**options), 0.5, mode=mode)
        for arguments in (
            {"deterministic": True},
            {"rngs": jax.random.key(1)},
            {"rngs": jax.random.key(1), "rate": 1.0},
        ):
            shape = nnx.eval_shape(lambda block, a=arguments: block(x, **a), block)
            assert shape.dtype == dtype


@every_mode
def test_gradients_are_those_of_the_function(mode):
    block = ResidualBlock(linear(), 0.5, mode=mode)
    branch = linear()

    def loss(branch):
        graph, state = nnx.split(branch)
        y = stochastic.residual_block(jax.random.key(3), lambda x: nnx.merge(graph, state)(x), X, 0.5, mode=mode)
        return (y**2).sum()

    ours = nnx.jit(nnx.grad(lambda block: (block(X, rngs=jax.random.key(3)) ** 2).sum()))(block)
    theirs = nnx.jit(nnx.grad(loss))(branch)
    ours, theirs = nnx.to_pure_dict(ours)["residual"], nnx.to_pure_dict(theirs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, theirs)


@every_mode
def test_stacks_scan_over_rates_and_drop_differently(mode):
    rates = stochastic.stochastic_depth_rates(5, 0.5)

    @nnx.split_rngs(splits=5)
    @nnx.vmap
    def stack_of(rngs):
        constant = nnx.Linear(3, 3, kernel_init=nnx.initializers.zeros, bias_init=nnx.initializers.ones, rngs=rngs)
        return ResidualBlock(constant, 0.5, mode=mode, rngs=rngs)

    @nnx.jit
    @nnx.scan(in_axes=(0, nnx.Carry, 0), out_axes=(nnx.Carry, 0))
    def run(block, x, rate):
        y = block(x) if mode == "subset" else block(x, rate=rate)
        return y, y - x

    stack = stack_of(nnx.Rngs(0))
    added = np.stack([run(stack, X, jnp.stack(rates))[1] for _ in range(6)])
    kept = added[..., 0] > 0.5
    assert len({layer.tobytes() for layer in kept[:, 1:].swapaxes(0, 1)}) > 1
    if mode == "subset":
        assert (kept.sum(-1) == 3).all()
    else:
        assert kept[:, 0].all()
        for rate in rates[1:]:
            assert np.isclose(added[kept], 1 / (1 - rate), rtol=1e-5).any()


def test_a_branch_must_keep_the_shape():
    for mode in MODES:
        block = ResidualBlock(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), 0.5, mode=mode, rngs=nnx.Rngs(0))
        with pytest.raises(ValueError, match=r"`residual` must have the shape .* of `x`, got"):
            block(X)


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("mode", ["row", "subset"])
def test_a_number_has_no_rows(mode, rate):
    with pytest.raises(ValueError, match=r"`x` must have a leading axis, got shape \(\)"):
        ResidualBlock(linear(), rate, mode=mode, rngs=nnx.Rngs(0))(jnp.float32(1.0))


def test_lanes_that_exchange_something_and_have_one_key_have_the_gradients_of_batch():
    class Exchanging(nnx.Module):
        def __init__(self):
            self.dense = nnx.Linear(3, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            own = jnp.tanh(self.dense(x))
            return own - jax.lax.pmean(own, "lanes") ** 2

    x = jnp.sin(jnp.arange(36.0)).reshape(3, 4, 3)

    def gradients(mode, seed):
        definition, state = nnx.split(ResidualBlock(Exchanging(), 0.5, mode=mode))

        def total(state, x):
            return jnp.sum(nnx.merge(definition, state)(x, rngs=jax.random.key(seed)) ** 2)

        return jax.jit(jax.vmap(jax.grad(total, (0, 1)), (None, 0), axis_name="lanes"))(state, x)

    for seed in (0, 1):
        for ours, theirs in zip(*(jax.tree.leaves(gradients(mode, seed)) for mode in ("skip", "batch")), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_branch_must_be_a_module():
    with pytest.raises(TypeError, match="`residual` must be a module, got the class Linear"):
        ResidualBlock(nnx.Linear, 0.5)
