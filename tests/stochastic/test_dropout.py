"""Dropout, held against Flax's layer and against what the formula says at its edges."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from regjax.stochastic import dropout

SHAPES = [(7,), (3, 5), (2, 3, 4)]
DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16]
RATES = [0, 0.1, 0.5, 0.999, 1.0]


if hasattr(jax, "shard_map"):
    from jax import shard_map
else:
    from jax.experimental.shard_map import shard_map


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
    kept = np.asarray(dropout(jax.random.key(6), jnp.ones(40), rate)) != 0

    def function(x):
        return dropout(jax.random.key(6), x, rate)

    def cube(x):
        return (function(x) ** 3).sum()

    @jax.jit
    def everything(x):
        tangents = jax.jvp(function, (x,), (jnp.full_like(x, 2.0),))[1]
        return function(x), tangents, jax.grad(cube)(x), jax.grad(lambda x: jax.grad(cube)(x).sum())(x)

    for broken in (np.nan, np.inf, -np.inf):
        # With y = 2 x where kept: dy = 2 dx, d(y^3) = 24 x^2, and its derivative 48 x.
        results = everything(np.where(kept, np.float32(1.5), np.float32(broken)))
        for result, value in zip(results, (3.0, 4.0, 54.0, 72.0), strict=True):
            np.testing.assert_allclose(result, np.where(kept, value, 0.0), rtol=1e-6)


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


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.7, 0.999])
def test_all_numbers_of_bfloat16_are_scaled_as_flax_does(rate):
    x = jax.lax.bitcast_convert_type(jnp.arange(2**16, dtype=jnp.uint16), jnp.bfloat16)
    x = jnp.where(jnp.isfinite(x), x, 1)
    for transform in (jax.jit, lambda function: function):
        ours, theirs = (
            transform(lambda key, x, f=function: f(key, x, rate))(jax.random.key(3), x)
            for function in (dropout, flax_dropout)
        )
        assert_bitwise_equal(ours, theirs)


EVERY_OPTION = [(32, True), (16, False), (16, True), (8, False), (8, True)]
every_option = pytest.mark.parametrize(("bits", "recompute"), EVERY_OPTION)


def coarse(key, x, rate, bits, **options):
    """Dropout with fewer bits, from its description."""
    kept = round((1 - rate) * 2**bits)
    words = np.asarray(jax.random.bits(key, (*x.shape[:-1], -(-x.shape[-1] * bits // 32)), jnp.uint32))
    pieces = (words[..., None] >> (bits * np.arange(32 // bits))) % 2**bits
    mask = pieces.reshape(*words.shape[:-1], -1)[..., : x.shape[-1]] < kept
    return jnp.where(mask, x / (kept / 2**bits), 0)


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fewer_bits_scale_by_the_probability_really_kept(bits, dtype):
    x = jnp.linspace(-3.0, 3.0, 77).reshape(7, 11).astype(dtype)
    for rate in (0.1, 0.5, 0.99):
        assert_bitwise_equal(
            dropout(jax.random.key(3), x, rate, bits=bits), coarse(jax.random.key(3), x, rate, bits).astype(dtype)
        )


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.997])
def test_fewer_bits_are_unbiased(rate, bits):
    draws = 1_000_000
    y = np.asarray(dropout(jax.random.key(8), jnp.ones(draws), rate, bits=bits))
    values = np.unique(y)
    assert len(values) == 2 and values[0] == 0
    assert abs(1 / values[1] - (1 - rate)) <= 2.0 ** -(bits + 1) + 1e-7
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * np.sqrt((values[1] - 1) / draws)
    traced = jax.jit(lambda rate: dropout(jax.random.key(8), jnp.ones(draws), rate, bits=bits))(rate)
    np.testing.assert_allclose(traced, y, rtol=1e-6)


@pytest.mark.parametrize(("bits", "half"), [(16, 2.0**-17), (8, 2.0**-9)])
def test_rates_that_few_bits_cannot_express(bits, half):
    x = jnp.ones(1000)
    for rate in (half * 0.9, 1 - half * 0.9):
        with pytest.raises(ValueError, match=r"`rate` must be 0, 1, or above .* where `bits` is"):
            dropout(jax.random.key(0), x, rate, bits=bits)
    for rate in (half * 1.1, 1 - half * 1.1):
        dropout(jax.random.key(0), x, rate, bits=bits)
    # Traced, they become the nearest step that is neither 0 nor 1; 0 and 1 stay what they are.
    run = jax.jit(lambda rate: dropout(jax.random.key(0), jnp.ones(1 << 20), rate, bits=bits))
    assert_bitwise_equal(run(jnp.float32(0)), jnp.ones(1 << 20))
    assert_bitwise_equal(run(jnp.float32(1)), jnp.zeros(1 << 20))
    assert_bitwise_equal(run(jnp.float32(half * 0.1)), run(jnp.float32(2 * half)))
    assert_bitwise_equal(run(jnp.float32(1 - half * 0.1)), run(jnp.float32(1 - 2 * half)))
    assert int((run(jnp.float32(half * 0.1)) == 0).sum()) > 0
    assert int((run(jnp.float32(1 - half * 0.1)) != 0).sum()) > 0


@pytest.mark.parametrize("bits", [8.0, "8", True, None])
def test_bits_are_a_python_integer(bits):
    with pytest.raises(TypeError, match="`bits` must be a Python integer, got"):
        dropout(jax.random.key(0), jnp.ones(3), 0.5, bits=bits)


@pytest.mark.parametrize("bits", [16, 8])
def test_fewer_bits_are_shared_along_axes(bits):
    x = jnp.ones((6, 10, 24))
    for dims in ((1,), (-1,), (0, 1)):
        dropped = np.asarray(dropout(jax.random.key(1), x, 0.4, broadcast_dims=dims, bits=bits)) == 0
        shape = tuple(1 if axis in {d % 3 for d in dims} else size for axis, size in enumerate(x.shape))
        alone = np.asarray(dropout(jax.random.key(1), jnp.ones(shape), 0.4, bits=bits)) == 0
        np.testing.assert_array_equal(dropped, np.broadcast_to(alone, x.shape))
        assert 0 < dropped.mean() < 1


@every_option
def test_options_under_transformations(bits, recompute):
    x = jnp.linspace(-3.0, 3.0, 18).reshape(3, 2, 3)
    keys = jax.random.key_data(jax.random.split(jax.random.key(1), 3))

    def function(key, x, rate=0.5):
        return dropout(key, x, rate, bits=bits, recompute=recompute)

    rates = np.float32([0.0, 0.5, 1.0])
    loop = np.stack([function(jax.random.wrap_key_data(key), row) for key, row in zip(keys, x, strict=True)])
    loop_of_rates = np.stack([function(jax.random.key(1), x, jnp.float32(rate)) for rate in rates])

    @jax.jit
    def transformed(keys, x, rates):
        mapped = jax.vmap(function)(jax.random.wrap_key_data(keys), x)
        pairs = jax.random.wrap_key_data(keys), x
        scanned = jax.lax.scan(lambda _, pair: (None, function(*pair)), None, pairs)[1]
        return mapped, scanned, jax.vmap(lambda rate: function(jax.random.key(1), x, rate))(rates)

    assert_bitwise_equal(transformed(keys, x, rates), (loop, loop, loop_of_rates))
    for key in (jax.random.key_data(jax.random.key(5)), jax.random.key(5, impl="rbg")):
        assert function(key, x).shape == x.shape


@every_option
def test_options_keep_every_derivative(bits, recompute):
    def function(x):
        return dropout(jax.random.key(6), x, 0.5, bits=bits, recompute=recompute)

    kept = np.asarray(function(jnp.ones(40))) != 0
    x = jnp.where(kept, 1.5, jnp.nan)

    @jax.jit
    def everything(x):
        def cube(x):
            return (function(x) ** 3).sum()

        tangents = jax.jvp(function, (x,), (jnp.full_like(x, 2.0),))[1]
        return function(x), tangents, jax.grad(cube)(x), jax.grad(lambda x: jax.grad(cube)(x).sum())(x)

    for result, value in zip(everything(x), (3.0, 4.0, 54.0, 72.0), strict=True):
        np.testing.assert_allclose(result, np.where(kept, value, 0.0), rtol=1e-6)


@pytest.mark.parametrize("bits", [32, 16, 8])
@pytest.mark.parametrize("traced", [False, True], ids=["static", "traced"])
def test_what_the_backward_pass_of_a_stack_keeps(bits, traced):
    rate = jnp.float32(0.25) if traced else 0.25

    def kept(recompute):
        def stack(x, keys):
            def layer(x, key):
                return dropout(key, x, rate, bits=bits, recompute=recompute), None

            return jax.lax.scan(layer, x, keys)[0].sum()

        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 7))
        jaxpr = jax.make_jaxpr(jax.grad(stack))(jax.ShapeDtypeStruct((100, 100), jnp.float32), keys)
        forward = next(eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan")
        stacked = [var.aval for var in forward.outvars if var.aval.shape[:1] == (7,)]
        return [(aval.shape[1:], str(aval.dtype)) for aval in stacked]

    assert kept(False) == [((100, 100), "bool")]
    assert kept(True) == []


@every_option
@pytest.mark.parametrize("shape", [(33,), (5, 7), (2, 3, 4)], ids=str)
def test_forward_and_backward_have_the_same_mask(bits, recompute, shape):
    @jax.jit
    def both(key, x, rate):
        y, pullback = jax.vjp(lambda x: dropout(key, x, rate, bits=bits, recompute=recompute), x)
        return y, pullback(jnp.ones_like(y))[0]

    for seed in range(20):
        for rate in (0.1, 0.5):
            # The function is linear: on ones, it and its transpose are the same numbers.
            y, gradient = both(jax.random.key(seed), jnp.ones(shape), rate)
            assert_bitwise_equal(gradient, y)
    drawn = dropout(jax.random.key(19), jnp.ones(shape), jnp.float32(0.5), bits=bits)
    assert_bitwise_equal(y, drawn)  # recomputing does not change what is drawn


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("bits", [32, 16, 8])
def test_every_pass_draws_the_mask_that_is_not_recomputed(bits, impl):
    x = jnp.linspace(1.0, 2.0, 70).reshape(2, 5, 7)
    data = jax.random.key_data(jax.random.split(jax.random.key(5, impl=impl), 2))

    def every_pass(data, x, **options):
        def function(x, data=data[0], dims=()):
            key = jax.random.wrap_key_data(data, impl=impl)
            return dropout(key, x, 0.5, broadcast_dims=dims, bits=bits, **options)

        def square(x):
            return (function(x) ** 2).sum()  # with y = 2 x where kept: dy^2 = 8 x and its derivative 8, exactly

        # Whatever is mapped over, as many masks are drawn as there are keys.
        of_one_mask = {
            "entries": function(x),
            "mapped entries": jax.vmap(function)(jnp.stack([x, 2 * x])),
            "mapped twice": jax.vmap(jax.vmap(function))(jnp.stack([x, 2 * x])[None]),
            "tangents": jax.jvp(function, (x,), (x,))[1],
            "mapped cotangents": jax.vmap(jax.vjp(function, x)[1])(jnp.stack([x, 2 * x]))[0],
            "second derivatives": jax.jvp(jax.grad(jax.checkpoint(square)), (x,), (x,))[1],
            "reverse over reverse": jax.grad(lambda x: (jax.grad(square)(x) * x).sum())(x),
        }
        of_two = {
            "keys": jax.vmap(function, (None, 0))(x, data),
            "keys and entries": jax.vmap(function)(jnp.stack([x, x]), data),
            "cotangents": jax.vmap(lambda data: jax.vjp(lambda x: function(x, data), x)[1](x)[0])(data),
        }
        return of_one_mask, of_two, function(x[0, 0]), function(x, dims=(1,))

    kept, recomputed = jax.jit(lambda *args: [every_pass(*args, recompute=r) for r in (False, True)])(data, x)
    assert_bitwise_equal(recomputed, kept)
    mask = kept[0]["entries"] != 0
    assert 0 < int(mask.sum()) < x.size
    for result in kept[0].values():
        np.testing.assert_array_equal(result != 0, np.broadcast_to(mask, result.shape))


@pytest.mark.parametrize("bits", [32, 16, 8])
def test_what_a_draw_waits_for_does_not_move_it(bits):
    @jax.jit
    def both(x):
        y, pullback = jax.vjp(lambda x: dropout(jax.random.key(5), x, 0.5, bits=bits, recompute=True), x)
        return y, pullback(x)[0]

    for dtype in DTYPES:
        kept = both(jnp.ones((6, 9), dtype))[0] != 0
        for value in (np.inf, -np.inf, np.nan, jnp.finfo(dtype).max, 0):
            wanted = jnp.where(kept, 2 * jnp.asarray(value, dtype), 0)
            assert_bitwise_equal(both(jnp.full((6, 9), value, dtype)), (wanted, wanted))


@pytest.mark.parametrize("bits", [32, 16, 8])
def test_a_mesh_of_one_device_draws_as_none(bits):
    # Where there are several devices, fewer bits wait for nothing, so that those tests do not reach this.
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    rows, everywhere = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()
    x, key = jnp.ones((4, 9)), jax.random.key_data(jax.random.key(0))

    def function(key, x, axis_name=None):
        return dropout(jax.random.wrap_key_data(key), x, 0.5, bits=bits, recompute=True, axis_name=axis_name)

    def on_shard(key, x, same_on_all_shards):
        return function(key, x), function(key, same_on_all_shards, "data")

    mapped = jax.jit(shard_map(on_shard, mesh=mesh, in_specs=(everywhere, rows, everywhere), out_specs=rows))
    folded = jax.random.key_data(jax.random.fold_in(jax.random.key(0), 0))
    assert_bitwise_equal(mapped(key, x, x), (function(key, x), function(folded, x)))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends plan their memory in their own ways")
@pytest.mark.skipif(not jax.config.jax_threefry_partitionable, reason="JAX's own functions draw")
@pytest.mark.parametrize("bits", [32, 16, 8])
def test_a_compiled_program_keeps_no_mask(bits):
    depth, size = 4, 256

    def memory(recompute):
        def loss(kernels, x, keys):
            for kernel, key in zip(kernels, keys, strict=True):
                x = jnp.tanh(dropout(key, x, 0.3, bits=bits, recompute=recompute) @ kernel)
            return (x**2).sum()

        keys = [jax.random.key(index) for index in range(depth)]
        square = jax.ShapeDtypeStruct((size, size), jnp.float32)
        compiled = jax.jit(jax.grad(loss, (0, 1))).lower([square] * depth, square, keys).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # One byte for each entry; the mask of one layer may be needed at a time.
    assert memory(False) - memory(True) > (depth - 1.1) * size**2


def test_options_are_checked(key):
    with pytest.raises(ValueError, match="`bits` must be one of 32, 16, 8, got 7"):
        dropout(key, jnp.ones(2), 0.5, bits=7)
    with pytest.raises(TypeError, match="`recompute` must be True or False, got 1"):
        dropout(key, jnp.ones(2), 0.5, recompute=1)


@pytest.mark.parametrize("options", [{}, {"recompute": True}])
def test_the_batch_of_an_export_may_be_symbolic(options):
    (size,) = export.symbolic_shape("b")
    x = jax.ShapeDtypeStruct((size, 6), jnp.float32)
    draw = jax.jit(lambda data, x: dropout(jax.random.wrap_key_data(data), x, 0.5, **options))
    exported = export.export(draw)(jax.ShapeDtypeStruct((2,), jnp.uint32), x)
    data = jax.random.key_data(jax.random.key(0))
    assert_bitwise_equal(exported.call(data, jnp.ones((5, 6))), draw(data, jnp.ones((5, 6))))


@every_option
def test_a_key_that_is_used_twice_is_noticed(bits, recompute, key):
    x = jnp.ones(8)
    dropout(key, x, 0.5, bits=bits, recompute=recompute)
    with pytest.raises(jax.errors.KeyReuseError):
        dropout(key, x, 0.5, bits=bits, recompute=recompute)
