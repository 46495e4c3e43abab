"""Dropout, held against Flax's layer and against what the formula says at its edges."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import dropout

SHAPES = [(7,), (3, 5), (2, 3, 4)]
DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
RATES = [0, 0.1, 0.5, 0.999, 1.0]


def flax_dropout(key, x, rate, *, broadcast_dims=()):
    return nn.Dropout(rate, broadcast_dims, deterministic=False).apply({}, x, rng=key)


def assert_bitwise_equal(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_numbers_are_those_of_flax_bit_for_bit(shape):
    x = jnp.linspace(-3.0, 3.0, int(np.prod(shape))).reshape(shape)

    for dtype in DTYPES:
        for rate in RATES:
            got, wanted = (f(jax.random.key(3), x.astype(dtype), rate) for f in (dropout, flax_dropout))
            assert_bitwise_equal(got, wanted)


@pytest.mark.parametrize("broadcast_dims", [(0,), (-1,), (1, 2), (0, 1, 2)], ids=str)
def test_shared_masks_are_those_of_flax(broadcast_dims):
    x = jnp.arange(1.0, 25.0).reshape(2, 3, 4)
    got = dropout(jax.random.key(1), x, 0.4, broadcast_dims=broadcast_dims)
    assert_bitwise_equal(got, flax_dropout(jax.random.key(1), x, 0.4, broadcast_dims=broadcast_dims))
    dropped = np.asarray(got) == 0
    for axis in broadcast_dims:
        assert (dropped == np.take(dropped, [0], axis)).all()


TRANSFORMS = {
    "jit": lambda f: jax.jit(lambda keys, x: f(keys[0], x[0])),
    "vmap": jax.vmap,
    "vmap over keys": lambda f: lambda keys, x: jax.vmap(f, (0, None))(keys, x[0]),
    "scan": lambda f: lambda keys, x: jax.lax.scan(lambda _, kx: (None, f(*kx)), None, (keys, x))[1],
    "remat": lambda f: jax.jit(
        lambda keys, x: jax.value_and_grad(jax.checkpoint(lambda x: (f(keys[0], x) ** 2).sum()))(x[0])
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_numbers_are_those_of_flax_under(transform):
    x = jnp.linspace(-3.0, 3.0, 18, dtype=jnp.bfloat16).reshape(3, 2, 3)
    ours, theirs = (
        transform(lambda key, x, f=function: f(key, x, 0.3))(jax.random.split(jax.random.key(1), 3), x)
        for function in (dropout, flax_dropout)
    )
    assert_bitwise_equal(ours, theirs)


@pytest.mark.parametrize(
    "make_key",
    [lambda: jax.random.key_data(jax.random.key(5)), lambda: jax.random.key(5, impl="rbg")],
    ids=["old style", "rbg"],
)
def test_any_kind_of_key_serves(make_key):
    x = jnp.ones((4, 3))
    assert_bitwise_equal(dropout(make_key(), x, 0.5), flax_dropout(make_key(), x, 0.5))


@pytest.mark.usefixtures("enable_x64")
def test_double_precision_is_that_of_flax():
    x = jnp.linspace(-1.0, 1.0, 40)
    assert x.dtype == jnp.float64
    wanted = flax_dropout(jax.random.key(2), x, 0.3)
    assert_bitwise_equal(dropout(jax.random.key(2), x, 0.3), wanted)
    assert_bitwise_equal(dropout(jax.random.key(2), x, jnp.asarray(0.3)), wanted)


def test_static_edges_need_no_key():
    x = jnp.array([1.0, jnp.inf, jnp.nan])
    for rate in (0, 0.0, np.float32(0)):
        assert dropout(None, x, rate) is x
    np.testing.assert_array_equal(dropout(None, x, 1), jnp.zeros(3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_traced_rates_compile_once_and_agree_with_static_ones(dtype):
    x = jnp.linspace(-3.0, 3.0, 32).astype(dtype)
    traces = []

    @jax.jit
    def run(rate):
        traces.append(None)
        return dropout(jax.random.key(4), x, rate)

    for rate in (0.0, 0.25, 0.5, 0.75, 1.0):  # exact in float32, so that the numbers must agree to the bit
        assert_bitwise_equal(run(rate), dropout(jax.random.key(4), x, rate))
    assert_bitwise_equal(run(0.0), x)
    assert len(traces) == 1
    np.testing.assert_allclose(
        *(np.asarray(y, np.float32) for y in (run(0.3), dropout(jax.random.key(4), x, 0.3))), rtol=1e-6
    )


@pytest.mark.parametrize("rate_dtype", [jnp.float16, jnp.bfloat16, jnp.int32])
def test_rates_of_any_dtype(rate_dtype):
    x = jnp.ones(1000)
    rate = jnp.ones((), rate_dtype) if rate_dtype == jnp.int32 else jnp.asarray(0.5, rate_dtype)
    assert_bitwise_equal(dropout(jax.random.key(4), x, rate), dropout(jax.random.key(4), x, float(rate)))


def test_vmap_over_rates_equals_a_loop():
    x = jnp.linspace(1.0, 2.0, 6)
    rates = jnp.array([0.0, 0.3, 1.0])
    mapped = jax.vmap(lambda rate: dropout(jax.random.key(1), x, rate))(rates)
    assert_bitwise_equal(mapped, jnp.stack([dropout(jax.random.key(1), x, rate) for rate in rates]))


@pytest.mark.parametrize("traced", [False, True], ids=["static", "traced"])
@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_what_is_dropped_is_zero_with_zero_derivatives_whatever_it_was(rate, traced):
    rate = jnp.float32(rate) if traced else rate
    kept = dropout(jax.random.key(6), jnp.ones(40), rate) != 0
    for broken in (jnp.nan, jnp.inf, -jnp.inf):
        x = jnp.where(kept, 1.5, broken)

        def function(x):
            return dropout(jax.random.key(6), x, rate)

        def cube(x):
            return (function(x) ** 3).sum()

        @jax.jit
        def everything(x):
            tangents = jax.jvp(function, (x,), (jnp.full_like(x, 2.0),))[1]
            return function(x), tangents, jax.grad(cube)(x), jax.grad(lambda x: jax.grad(cube)(x).sum())(x)

        # With y = 2 x where kept: dy = 2 dx, d(y^3) = 24 x^2, and its derivative 48 x.
        for result, value in zip(everything(x), (3.0, 4.0, 54.0, 72.0), strict=True):
            np.testing.assert_allclose(result, jnp.where(kept, value, 0.0), rtol=1e-6)


def test_no_gradient_flows_to_the_rate():
    gradient = jax.grad(lambda rate: dropout(jax.random.key(0), jnp.ones(8), rate).sum())
    np.testing.assert_array_equal([gradient(0.5), gradient(0.0), gradient(1.0)], 0)


def test_a_keep_probability_below_the_dtype_leaves_gradients_finite():
    # What would be kept must not be divided by 1e-9, which is zero in float16, nor by 1e-5, whose inverse is infinite.
    for rate in (1 - 1e-9, 1 - 1e-5, jnp.float32(1 - 1e-7), jnp.float32(1 - 1e-5)):
        gradient = jax.grad(lambda x, r=rate: dropout(jax.random.key(0), x, r).astype(jnp.float32).sum())
        np.testing.assert_array_equal(gradient(jnp.ones(8, jnp.float16)), 0)


def test_forward_and_backward_drop_the_same_entries_under_jit_vmap_scan_and_remat():
    x = jnp.ones((3, 16))

    def support(key, row):
        y, pullback = jax.vjp(jax.checkpoint(lambda row: dropout(key, row, 0.5)), row)
        return y != 0, pullback(jnp.ones_like(row))[0] != 0

    keys = jax.random.split(jax.random.key(2), 3)
    forward, backward = jax.jit(jax.vmap(support))(keys, x)
    np.testing.assert_array_equal(forward, backward)
    scanned = jax.lax.scan(lambda _, kx: (None, support(*kx)), None, (jax.random.split(jax.random.key(2), 3), x))[1]
    np.testing.assert_array_equal(scanned, [forward, backward])
    assert 0 < int(forward.sum()) < x.size


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_the_share_that_is_kept(rate):
    draws = 1_000_000
    x = jnp.ones(draws, jnp.bfloat16)
    kept = int((dropout(jax.random.key(8), x, rate) != 0).sum())
    assert abs(kept - draws * (1 - rate)) < 5 * np.sqrt(draws * rate * (1 - rate))
    # A traced rate draws the same bits.
    assert abs(int((dropout(jax.random.key(8), x, jnp.float32(rate)) != 0).sum()) - kept) <= 3


def test_the_expectation_is_the_input():
    x = jnp.linspace(-2.0, 2.0, 8)
    keys = jax.random.split(jax.random.key(9), 4000)
    y = np.asarray(jax.jit(jax.vmap(lambda key: dropout(key, x, 0.7)))(keys))
    assert (np.abs(y.mean(0) - x) < 5 * y.std(0) / np.sqrt(len(y))).all()


@pytest.mark.parametrize("dims", [(2,), (-3,), (0, 0), (0, -2)])
def test_shared_axes_must_exist_and_differ(dims):
    with pytest.raises(ValueError, match="`broadcast_dims` must"):
        dropout(jax.random.key(0), jnp.ones((2, 3)), 0.5, broadcast_dims=dims)


@pytest.mark.parametrize("x", [None, {"a": jnp.ones(2)}], ids=["None", "dict"])
def test_what_is_no_array_is_refused(key, x):
    with pytest.raises(TypeError, match="`x` must be an array, got "):
        dropout(key, x, 0.5)
