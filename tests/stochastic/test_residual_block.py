"""The modes of a residual block: what they compute, on which rows, and that all have the same expectation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import residual_block, stochastic_depth
from regjax.stochastic._subset import kept_rows
from tests.jaxprs import equations

MODES = ["row", "batch", "subset", "skip"]
TRACED_MODES = ["row", "batch", "skip"]


def branch(x):
    return jnp.sin(3 * x) + x**2


@pytest.mark.parametrize("mode", MODES)
def test_the_expectation_is_that_of_the_whole_block(mode):
    x = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)

    @jax.jit
    @jax.vmap
    def draw(key):
        return [residual_block(key, branch, x, rate, mode=mode) for rate in (0.35, 0.8)]

    with jax.debug_key_reuse(False):
        draws = draw(jax.random.split(jax.random.key(0), 5000))
    for y in np.asarray(draws, np.float64):
        error = y.std(0) / np.sqrt(len(y))
        assert (error > 0).all()
        assert (np.abs(y.mean(0) - (x + branch(x))) < 5 * error).all()


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_masked_modes_are_stochastic_depth(mode):
    x = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)
    got = residual_block(jax.random.key(1), branch, x, 0.5, mode=mode)
    np.testing.assert_array_equal(got, x + stochastic_depth(jax.random.key(1), branch(x), 0.5, mode=mode))


@pytest.mark.parametrize("rate", [0.5, 0.3])
def test_skip_has_the_numbers_of_batch(rate):
    x = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)
    skip, batch = (
        jax.jit(jax.vmap(lambda key, m=mode: residual_block(key, branch, x, rate, mode=m)))
        for mode in ("skip", "batch")
    )
    keys = jax.random.split(jax.random.key(2), 20)
    np.testing.assert_allclose(skip(keys), batch(jax.random.split(jax.random.key(2), 20)), rtol=1e-6)


# max(floor(B (1 - rate)), 1) in exact arithmetic.
@pytest.mark.parametrize(
    ("batch", "rate", "rows"),
    [
        (20, 0.9, 2),
        (10, 0.9, 1),
        (100, 0.71, 29),
        (8, 0, 8),
        (8, 0.0, 8),
        (8, 1.0, 1),
        (8, 0.95, 1),
        (7, 0.5, 3),
        (1, 0.0, 1),
        (1, 0.5, 1),
        (1, 1.0, 1),
        (20, np.float32(0.8), 4),
        (20, np.float32(0.9), 2),
        (0, 0.5, 0),
    ],
)
def test_subset_computes_the_branch_on_exactly_these_rows(batch, rate, rows):
    seen = []

    def spy(x):
        seen.append(x.shape)
        return x

    def run(x):
        return residual_block(jax.random.key(3), spy, x, rate, mode="subset")

    assert jax.eval_shape(run, jnp.zeros((batch, 2))).shape == (batch, 2)
    assert seen == [(rows, 2)]


@pytest.mark.parametrize(("rate", "rows"), [(0.9, 1), (0.35, 3), (0.0, 6), (1.0, 1)])
def test_subset_adds_the_branch_to_exactly_these_rows(rate, rows):
    y = residual_block(jax.random.key(3), jnp.ones_like, jnp.zeros((6, 2)), rate, mode="subset")
    values = np.asarray(y)
    np.testing.assert_array_equal((values != 0).sum(0), rows)
    np.testing.assert_allclose(values[values != 0], 6 / rows, rtol=1e-6)


def test_the_number_of_rows_is_the_floor_in_exact_arithmetic():
    for batch in (1, 3, 20, 32, 100, 4096):
        for percent in range(101):
            wanted = max(batch * (100 - percent) // 100, 1)
            assert kept_rows(batch, percent / 100) == wanted
            assert kept_rows(batch, np.float32(percent / 100)) == wanted


def test_subset_runs_each_row_through_the_branch_at_its_place():
    x = jnp.linspace(-1.0, 1.0, 12).reshape(6, 2)
    y = np.asarray(jax.jit(lambda x: residual_block(jax.random.key(4), branch, x, 0.5, mode="subset"))(x))
    kept = (y != np.asarray(x)).any(1)
    assert kept.sum() == 3
    np.testing.assert_allclose(y, np.asarray(x + 2 * branch(x) * kept[:, None]), rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda x: residual_block(jax.random.key(4), branch, x, 0.5, mode="subset").sum()))(x)
    slope = 3 * np.cos(3 * np.asarray(x)) + 2 * np.asarray(x)
    np.testing.assert_allclose(gradient, 1 + 2 * slope * kept[:, None], rtol=1e-4)


def test_every_row_is_kept_equally_often():
    keys = jax.random.split(jax.random.key(5), 6000)
    run = jax.jit(jax.vmap(lambda key: residual_block(key, jnp.ones_like, jnp.zeros((6, 1)), 0.7, mode="subset")))
    y = run(keys)
    kept = np.asarray(y[..., 0]) > 0
    assert (kept.sum(1) == 1).all()
    assert (np.abs(kept.sum(0) - 1000) < 5 * np.sqrt(6000 / 6 * 5 / 6)).all()


def test_skip_computes_nothing_when_the_branch_is_dropped():
    runs = []

    def spy(x):
        jax.debug.callback(lambda: runs.append(None))
        return jnp.ones_like(x)

    @jax.jit
    def run(key, rate):
        return residual_block(key, spy, jnp.zeros((2, 2)), rate, mode="skip")

    kept = sum(bool(run(key, 0.5).any()) for key in jax.random.split(jax.random.key(6), 30))
    jax.effects_barrier()
    assert len(runs) == kept
    assert 0 < kept < 30
    run(jax.random.key(7), 1.0)
    jax.effects_barrier()
    assert len(runs) == kept
    run(jax.random.key(7), 0.0)
    jax.effects_barrier()
    assert len(runs) == kept + 1


def test_static_edges_of_skip_need_no_conditional_and_no_key():
    x = jnp.ones((2, 2))
    for rate in (0.0, 1.0):
        jaxpr = jax.make_jaxpr(lambda x, r=rate: residual_block(None, branch, x, r, mode="skip"))(x)
        assert "cond" not in str(jaxpr)
    assert "cond" in str(jax.make_jaxpr(lambda x: residual_block(jax.random.key(0), branch, x, 0.5, mode="skip"))(x))
    np.testing.assert_array_equal(residual_block(None, branch, x, 0.0, mode="skip"), x + branch(x))
    np.testing.assert_array_equal(residual_block(None, branch, x, 1.0, mode="skip"), x)


@pytest.mark.parametrize("mode", TRACED_MODES)
def test_traced_rates_compile_once_and_have_clean_edges(mode):
    x = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)
    traces = []

    @jax.jit
    def run(x, rate):
        traces.append(None)
        return residual_block(jax.random.key(8), branch, x, rate, mode=mode)

    np.testing.assert_allclose(run(x, 0.0), x + branch(x), rtol=1e-6)
    np.testing.assert_array_equal(run(x, 1.0), x)
    np.testing.assert_allclose(run(x, 0.3), residual_block(jax.random.key(8), branch, x, 0.3, mode=mode), rtol=1e-6)
    assert len(traces) == 1
    gradient = jax.jit(jax.grad(lambda x, rate: run(x, rate).sum(), (0, 1)))(x, 1.0)
    np.testing.assert_array_equal(gradient[0], 1)
    assert gradient[1] == 0


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["number", "traced", "mapped"])
def test_skip_at_the_edges_is_exact_for_every_key(rate, kind):
    # Where it is dropped the branch has infinite derivatives, which must not reach anything.
    x, kernel = jnp.ones((3, 2)), jnp.array([[0.5, 1.0], [-0.5 if rate else 0.5, 2.0]])

    def loss(x, kernel, rate, key):
        y = residual_block(key, lambda x: jnp.sqrt(x @ kernel), x, rate, mode="skip")
        return jnp.sum(y), y

    def plain(x, kernel):
        y = x if rate else x + jnp.sqrt(x @ kernel)
        return jnp.sum(y), y

    def derived(key, rate):
        return jax.value_and_grad(loss, (0, 1), has_aux=True)(x, kernel, rate, key)

    keys = jax.random.split(jax.random.key(0), 8)
    if kind == "number":
        got = jax.jit(jax.vmap(lambda key: derived(key, rate)))(keys)
    else:
        mapped = kind == "mapped"
        got = jax.jit(jax.vmap(derived, (0, 0 if mapped else None)))(keys, jnp.full(8, rate) if mapped else rate)
    expected = jax.value_and_grad(plain, (0, 1), has_aux=True)(x, kernel)
    tolerance = {"rtol": 0.0 if rate else 1e-6}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, np.broadcast_to(b, a.shape), **tolerance), got, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("of_x", "of_branch", "of_result"),
    [
        (jnp.bfloat16, jnp.float32, jnp.float32),
        (jnp.float32, jnp.float16, jnp.float32),
        (jnp.float16, jnp.float16, jnp.float16),
    ],
)
def test_the_dtype_is_that_of_the_sum(mode, of_x, of_branch, of_result):
    x = jnp.ones((4, 2), of_x)
    for rate in (0.0, 0.5, 1.0):
        y = residual_block(jax.random.key(0), lambda x: x.astype(of_branch), x, rate, mode=mode)
        assert y.dtype == of_result
        # Every entry is x plus a multiple of x that the mode allows.
        assert set(np.unique(np.asarray(y, np.float32))) <= {1.0, 2.0, 3.0, 5.0}


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_and_forward_mode(mode):
    x = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)

    def total(x):
        return residual_block(jax.random.key(9), branch, x, 0.4, mode=mode).sum()

    hessian = jax.jit(jax.jacfwd(jax.grad(total)))(x)
    assert bool(jnp.isfinite(hessian).all())


def test_what_makes_no_block_is_refused():
    x = jnp.ones((4, 2))
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', 'subset', 'skip', got 'rows'"):
        residual_block(jax.random.key(0), branch, x, 0.5, mode="rows")
    with pytest.raises(TypeError, match=r"`rate` must be a Python number in mode 'subset'.*'skip' take traced rates"):
        residual_block(jax.random.key(0), branch, x, jnp.float32(0.5), mode="subset")
    for mode in MODES:
        with pytest.raises(ValueError, match=r"`residual` must have the shape .* of `x`, got"):
            residual_block(jax.random.key(0), lambda x: x[..., :1], x, 0.5, mode=mode)
        with pytest.raises(TypeError, match="`residual` must be a floating array"):
            residual_block(jax.random.key(0), lambda x: x.astype(int), x, 0.5, mode=mode)
        with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\]"):
            residual_block(jax.random.key(0), branch, x, 1.5, mode=mode)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_a_number_has_no_rows_but_is_a_batch(rate):
    number = jnp.float32(1.0)
    for mode in ("row", "subset"):
        with pytest.raises(ValueError, match=r"`x` must have a leading axis, got shape \(\)"):
            residual_block(jax.random.key(0), lambda x: x[0], number, rate, mode=mode)
    for mode in ("batch", "skip"):
        y = residual_block(jax.random.key(0), branch, number, rate, mode=mode)
        assert y.shape == ()
        assert np.isclose(y, [number, number + branch(number) / (1 - rate)], rtol=1e-6).any()


def test_a_gradient_of_skip_keeps_of_a_branch_what_is_not_cheap():
    x, kernel = jnp.ones((3, 4)), jnp.ones((4, 50))

    def activated(x):
        hidden = jax.nn.gelu(x @ kernel)
        return jnp.where(jax.random.bernoulli(jax.random.key(1), 0.5, hidden.shape), hidden, 0) @ kernel.T

    def kept(mode):
        _, pull = jax.vjp(lambda x: residual_block(jax.random.key(0), activated, x, 0.5, mode=mode), x)
        return sorted(str(leaf.dtype) for leaf in jax.tree.leaves(pull) if leaf.shape == (3, 50))

    # The product, and the mask, which is a byte where its random bits are four.
    assert kept("skip") == ["bool", "float32"]
    assert len(kept("batch")) > 2


@pytest.mark.parametrize("rate", [0.5, 0.3])
def test_gradients_of_skip_are_those_of_batch(rate):
    x = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)

    @jax.jit
    @jax.vmap
    def gradients(seed):
        def total(x, mode):
            return (residual_block(jax.random.key(seed), branch, x, rate, mode=mode) ** 2).sum()

        return [jax.grad(total)(x, mode) for mode in ("skip", "batch")]

    skip, batch = gradients(jnp.arange(10))
    np.testing.assert_allclose(skip, batch, rtol=1e-5)
    assert not np.allclose(skip, skip[:1])


def of_parameters(seed, mode):
    """Returns a loss whose branch closes over its parameters, of which it is not linear in any."""

    def loss(first, second, x, rate):
        def closing(x):
            return jnp.tanh(x @ first) @ second * jnp.arange(4)[None]

        return jnp.sum(residual_block(jax.random.key(seed), closing, x, rate, mode=mode) ** 3)

    return loss


def parameters():
    rows = np.random.default_rng(0)
    return *(jnp.asarray(rows.normal(size=shape), jnp.float32) for shape in ((4, 6), (6, 4), (3, 4))), jnp.float32(0.4)


ALL = (0, 1, 2, 3)
DERIVATIVES = {
    "forward": lambda f: lambda *at: jax.jvp(f, at, at),
    "reverse": lambda f: jax.grad(f, ALL),
    "reverse of one": lambda f: jax.grad(f, 1),
    "reverse, recomputed": lambda f: jax.grad(jax.checkpoint(f), ALL),
    "forward over reverse": lambda f: lambda *at: jax.jvp(jax.grad(f, ALL), at, at),
    "reverse over forward": lambda f: jax.grad(lambda *at: jax.jvp(f, at, at)[1], ALL),
    "reverse over reverse": lambda f: jax.grad(
        lambda *at: sum(jnp.sum(g**2) for g in jax.tree.leaves(jax.grad(f, ALL)(*at))), ALL
    ),
}
SEEDS = jnp.arange(4)
MAPS = {
    "mapped": lambda derived, mode: lambda *at: jax.vmap(lambda s: derived(of_parameters(s, mode))(*at))(SEEDS),
    "of what is mapped": lambda derived, mode: derived(
        lambda *at: jnp.sum(jax.vmap(lambda s: of_parameters(s, mode)(*at))(SEEDS))
    ),
    "of a scan": lambda derived, mode: derived(
        lambda *at: jax.lax.scan(lambda total, s: (total + of_parameters(s, mode)(*at), None), 0.0, SEEDS)[0]
    ),
}


@pytest.mark.parametrize("derived", DERIVATIVES.values(), ids=DERIVATIVES)
@pytest.mark.parametrize("mapped", MAPS.values(), ids=MAPS)
def test_derivatives_of_every_kind_are_those_of_batch(derived, mapped):
    with jax.debug_key_reuse(False):
        skip, batch = (jax.jit(mapped(derived, mode))(*parameters()) for mode in ("skip", "batch"))
    assert bool(jnp.any(jax.tree.leaves(skip)[0] != 0))
    for ours, theirs in zip(jax.tree.leaves(skip), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * float(jnp.abs(theirs).max()))


def exchanging(seed, lane, mode):
    """Returns a loss whose branch takes a mean over all lanes of a map, which have inputs of their own."""

    def loss(first, second, x, rate):
        def closing(x):
            own = jnp.tanh(x @ first) @ second
            return own - jax.lax.pmean(own, "lanes") ** 2

        return jnp.sum(residual_block(jax.random.key(seed), closing, x * (1 + lane), rate, mode=mode) ** 3)

    return loss


LANES = jnp.arange(4.0)
# What the seeds are, and whether each lane has one.
KEYS = {"all keep": (1, None), "all drop": (0, None), "each by itself": (SEEDS, 0)}
EXCHANGES = {
    "mapped": lambda derived, mode, seeds, axis: (
        lambda *at: jax.vmap(
            lambda seed, lane: derived(exchanging(seed, lane, mode))(*at), (axis, 0), axis_name="lanes"
        )(seeds, LANES)
    ),
    # Compiled, rules of its derivative run where the axis has no name any more.
    "of what is mapped": lambda derived, mode, seeds, axis: derived(
        jax.jit(
            lambda *at: jnp.sum(
                jax.vmap(lambda seed, lane: exchanging(seed, lane, mode)(*at), (axis, 0), axis_name="lanes")(
                    seeds, LANES
                )
            )
        )
    ),
}


@functools.cache
def exchanged(derived, mapped, mode, axis):
    return jax.jit(lambda seeds, *at: mapped(derived, mode, seeds, axis)(*at))


@pytest.mark.parametrize("derived", DERIVATIVES.values(), ids=DERIVATIVES)
@pytest.mark.parametrize("mapped", EXCHANGES.values(), ids=EXCHANGES)
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_lanes_that_exchange_something_have_the_derivatives_of_batch(derived, mapped, keys):
    seeds, axis = keys
    with jax.debug_key_reuse(False):
        skip, batch = (exchanged(derived, mapped, mode, axis)(seeds, *parameters()) for mode in ("skip", "batch"))
    assert bool(jnp.any(jax.tree.leaves(skip)[0] != 0)) or keys == KEYS["all drop"]
    for ours, theirs in zip(jax.tree.leaves(skip), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * float(jnp.abs(theirs).max()))


def test_lanes_that_exchange_something_compute_nothing_when_all_drop():
    runs = []

    def spy(x):
        jax.debug.callback(lambda: runs.append(None))
        return x - jax.lax.pmean(x, "lanes")

    @jax.jit
    def gradients(seeds, x):
        def total(seed, x):
            return residual_block(jax.random.key(seed), spy, x, 0.6, mode="skip").sum()

        return jax.vmap(jax.grad(total, 1), axis_name="lanes")(seeds, x)

    # Which seeds drop depends on the form of JAX's random numbers.
    ones = jnp.ones((1, 1))
    dropped = {n: residual_block(jax.random.key(n), jnp.sin, ones, 0.6, mode="batch") == 1 for n in range(20)}
    drop, keep = ([n for n in dropped if bool(dropped[n]) is yes] for yes in (True, False))
    gradients(jnp.asarray(drop[:3]), jnp.ones((3, 2, 2)))
    jax.effects_barrier()
    assert not runs
    gradients(jnp.asarray([*drop[:2], keep[0]]), jnp.ones((3, 2, 2)))
    jax.effects_barrier()
    assert runs


def test_a_linearization_of_another_kind_is_refused(monkeypatch):
    linearize = jax.linearize

    def opaque(*args):
        result, linear = linearize(*args)
        return result, lambda *moves: linear(*moves)

    monkeypatch.setattr(jax, "linearize", opaque)
    with pytest.raises(TypeError, match="`jax.linearize` must return a Partial"):
        jax.grad(lambda x: residual_block(jax.random.key(0), branch, x, 0.5, mode="skip").sum())(jnp.ones((2, 2)))


def test_what_is_dropped_may_have_infinite_derivatives():
    def gradient(seed):
        return jax.grad(lambda x: residual_block(jax.random.key(seed), jnp.sqrt, x, 0.5, mode="skip").sum())(
            jnp.zeros((1, 1))
        )[0, 0]

    gradients = jax.jit(jax.vmap(gradient))(jnp.arange(10))
    assert set(gradients.tolist()) == {1.0, float("inf")}
    of_mapped = jax.jit(
        jax.grad(
            lambda x: jax.vmap(
                lambda seed, x: residual_block(jax.random.key(seed), jnp.sqrt, x, 0.5, mode="skip").sum()
            )(jnp.arange(10), x).sum()
        )
    )(jnp.zeros((10, 1, 1)))
    np.testing.assert_array_equal(of_mapped[:, 0, 0], gradients)


def test_a_map_over_a_sharded_axis_shards_what_the_gradient_of_skip_computes():
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("data",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def branch(x):
        return jnp.tanh(jax.lax.with_sharding_constraint(x, sharding))

    def gradient(x):
        return jax.grad(lambda x: residual_block(jax.random.key(0), branch, x, 0.5, mode="skip").sum())(x)

    program = jax.make_jaxpr(jax.vmap(gradient, spmd_axis_name="data"))(jnp.ones((2, 3, 4)))
    constraints = [
        each for each in equations(program.jaxpr, "sharding_constraint") if each.outvars[0].aval.shape == (2, 3, 4)
    ]
    assert len(constraints) > 1
    assert {each.params["sharding"].spec[0] for each in constraints} == {"data"}


@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.gelu])
def test_a_gradient_of_skip_copies_no_parameters(activation):
    x, first, second = jnp.ones((3, 4)), jnp.ones((4, 50)), jnp.ones((50, 4))

    def loss(first, second, x):
        return residual_block(jax.random.key(0), lambda x: activation(x @ first) @ second, x, 0.5, mode="skip").sum()

    program = jax.make_jaxpr(jax.jit(jax.value_and_grad(loss, (0, 1, 2))))(first, second, x)
    found = [
        [variable.aval.shape for variable in equation.outvars]
        for equation in equations(program.jaxpr, "cond")
        if any(variable.aval.shape == (3, 4) for variable in equation.outvars)
    ]
    forward, backward = found
    assert {(4, 50), (50, 4)} <= set(backward)
    # The result, the product, and of relu the mask.
    assert forward[0] == (3, 4)
    assert set(forward[1:]) == {(3, 50)}
