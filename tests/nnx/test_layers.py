"""Layers of NNX: the numbers of the functions, and where their flag and key come from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import nnx as layers
from regjax import stochastic

X = jnp.linspace(-2.0, 2.0, 24).reshape(4, 3, 2)


def linear():
    return nnx.Linear(2, 2, rngs=nnx.Rngs(7))


def embed():
    return nnx.Embed(5, 2, rngs=nnx.Rngs(7))


class Words(layers.EmbeddingDropout):
    """Takes what the other layers take, as words."""

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(jnp.round(inputs + 2).astype(int), *args, **kwargs)


# A maker of the layer, whose options come by keyword, and the function that the layer is made of.
LAYERS = {
    "Dropout": (functools.partial(layers.Dropout, 0.4), functools.partial(stochastic.dropout, rate=0.4)),
    "Dropout shared": (
        functools.partial(layers.Dropout, 0.4, broadcast_dims=[1, -1]),
        functools.partial(stochastic.dropout, rate=0.4, broadcast_dims=(1, 2)),
    ),
    "Dropout options": (
        functools.partial(layers.Dropout, 0.4, bits=16, recompute=True),
        functools.partial(stochastic.dropout, rate=0.4, bits=16, recompute=True),
    ),
    "MCDropout": (functools.partial(layers.MCDropout, 0.4), functools.partial(stochastic.dropout, rate=0.4)),
    "MCDropout options": (
        functools.partial(layers.MCDropout, 0.4, bits=8, recompute=True),
        functools.partial(stochastic.dropout, rate=0.4, bits=8, recompute=True),
    ),
    "AlphaDropout": (
        functools.partial(layers.AlphaDropout, 0.4, broadcast_dims=(0,)),
        functools.partial(stochastic.alpha_dropout, rate=0.4, broadcast_dims=(0,)),
    ),
    "DropBlock": (
        functools.partial(layers.DropBlock, 0.4, block_size=2),
        functools.partial(stochastic.drop_block, rate=0.4, block_size=2),
    ),
    "DropBlock options": (
        functools.partial(layers.DropBlock, 0.4, block_size=[3], couple_channels=False, normalize="realized"),
        functools.partial(stochastic.drop_block, rate=0.4, block_size=3, couple_channels=False, normalize="realized"),
    ),
    "FeatureAlphaDropout": (
        functools.partial(layers.FeatureAlphaDropout, 0.4),
        functools.partial(stochastic.feature_alpha_dropout, rate=0.4),
    ),
    "GaussianDropout": (
        functools.partial(layers.GaussianDropout, 0.4),
        functools.partial(stochastic.gaussian_dropout, rate=0.4),
    ),
    "GaussianNoise": (
        functools.partial(layers.GaussianNoise, 1.0),
        functools.partial(stochastic.gaussian_noise, stddev=1.0),
    ),
    "StochasticDepth": (
        functools.partial(layers.StochasticDepth, 0.4),
        functools.partial(stochastic.stochastic_depth, rate=0.4),
    ),
    "StochasticDepth batch": (
        functools.partial(layers.StochasticDepth, 0.4, mode="batch"),
        functools.partial(stochastic.stochastic_depth, rate=0.4, mode="batch"),
    ),
}
WRAPPERS = {
    "DropConnect": lambda **options: layers.DropConnect(linear(), 0.4, **options),
    "EmbeddingDropout": lambda **options: Words(embed(), 0.4, **options),
    **{
        f"ResidualBlock {mode}": lambda mode=mode, **options: layers.ResidualBlock(linear(), 0.4, mode=mode, **options)
        for mode in ("row", "batch", "subset", "skip")
    },
}
every_layer = pytest.mark.parametrize(("make", "function"), LAYERS.values(), ids=LAYERS)
all_modules = pytest.mark.parametrize(
    "make", [*(make for make, _ in LAYERS.values()), *WRAPPERS.values()], ids=[*LAYERS, *WRAPPERS]
)


def all_of(**options):
    return {name: make(**options) for name, make in ({n: m for n, (m, _) in LAYERS.items()} | WRAPPERS).items()}


def assert_all_close(got, wanted):
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


def amount_of(layer):
    return "stddev" if isinstance(layer, layers.GaussianNoise) else "rate"


@every_layer
def test_numbers_are_those_of_the_function(make, function):
    np.testing.assert_array_equal(make()(X, rngs=jax.random.key(1)), function(jax.random.key(1), X))
    # A stream of its own, forked from the one that it is given.
    for rngs in (nnx.Rngs(dropout=3), nnx.Rngs(3), nnx.Rngs(dropout=3)["dropout"]):
        key = nnx.Rngs(dropout=3)["dropout"].fork()()
        np.testing.assert_array_equal(make(rngs=rngs)(X), function(key, X))
    # The streams of the call win.
    for rngs in (nnx.Rngs(dropout=5), nnx.Rngs(5), nnx.Rngs(dropout=5)["dropout"]):
        key = nnx.Rngs(dropout=5)["dropout"]()
        np.testing.assert_array_equal(make(rngs=nnx.Rngs(3))(X, rngs=rngs), function(key, X))


@every_layer
def test_deterministic_returns_the_input_itself(make, function):
    del function
    layer = make()
    assert layer(X, deterministic=True) is X
    numbers = jnp.arange(3)
    assert layer(numbers, deterministic=True) is numbers
    if not isinstance(layer, layers.MCDropout):
        assert make(deterministic=True)(X) is X
        # The call wins.
        got = make(deterministic=True)(X, deterministic=False, rngs=jax.random.key(1))
        np.testing.assert_array_equal(got, layer(X, rngs=jax.random.key(1)))


@all_modules
def test_train_eval_and_view_switch_all_but_mc_dropout(make):
    layer = make(rngs=nnx.Rngs(0))
    certain = layer(X, deterministic=True)

    def varies(layer):
        return len({np.asarray(layer(X)).tobytes() for _ in range(8)}) > 1

    stays_on = isinstance(layer, layers.MCDropout)
    assert varies(layer)
    layer.eval()
    assert varies(layer) == stays_on
    if not stays_on:
        np.testing.assert_array_equal(layer(X), certain)
    layer.train()
    assert varies(layer)
    if hasattr(nnx, "view"):
        view = nnx.view(layer, deterministic=True)
        assert varies(view) == stays_on
        assert varies(layer)
        assert varies(nnx.view(view, deterministic=False))
        same = nnx.view(view, only=nnx.BatchNorm, raise_if_not_found=False, deterministic=False)
        assert varies(same) == stays_on
    else:
        # What `nnx.view` of newer versions calls.
        layer.set_view(deterministic=True)
        assert varies(layer) == stays_on
    layer.set_view()


def test_a_traced_flag_chooses():
    modules = all_of()
    with pytest.raises(TypeError, match=r"`deterministic` must be a Python bool in mode 'subset'"):
        modules.pop("ResidualBlock subset")(X, deterministic=jnp.array(True), rngs=jax.random.key(2))

    def run(modules, flag):
        return {name: m(X, deterministic=flag, rngs=jax.random.key(2)) for name, m in modules.items()}

    jitted = nnx.jit(run)
    certain, random = jitted(modules, True), jitted(modules, False)
    assert_all_close(certain, run(modules, True))
    assert_all_close(random, run(modules, False))
    assert not any(np.array_equal(certain[name], random[name]) for name in modules)


@all_modules
def test_an_unresolved_flag_matters_only_where_something_is_random(make):
    layer = make()
    certain = layer(X, deterministic=True)
    np.testing.assert_array_equal(layer(X, **{amount_of(layer): 0}), certain)
    if not isinstance(layer, layers.MCDropout):
        unresolved = make(deterministic=None)
        np.testing.assert_array_equal(unresolved(X, **{amount_of(layer): 0}), certain)
        with pytest.raises(ValueError, match=r"`deterministic` must be set where the rate is not 0: .* `train\(\)`"):
            unresolved(X, rngs=jax.random.key(0))
        unresolved.eval()
        np.testing.assert_array_equal(unresolved(X), certain)
    with pytest.raises(TypeError, match="`deterministic` must be a bool or a boolean scalar, got float32 of shape"):
        layer(X, deterministic=jnp.ones(3), rngs=jax.random.key(0))


@all_modules
def test_missing_and_wrong_streams_are_errors(make):
    layer = make()
    with pytest.raises(ValueError, match="`rngs` must be given to the constructor or to the call"):
        layer(X)
    with pytest.raises(ValueError, match=r"`rngs` must have a key for the stream 'dropout', got \['noise'\]"):
        layer(X, rngs=nnx.Rngs(noise=0))
    with pytest.raises(ValueError, match="`rngs` must have a key for the stream 'dropout'"):
        make(rngs=nnx.Rngs(noise=0))
    with pytest.raises(TypeError, match=r"`rngs` must be an `nnx.Rngs` or `nnx.RngStream`, or None, got 0"):
        make(rngs=0)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        layer(X, rngs=0)
    named = make(rngs=nnx.Rngs(noise=0), rng_collection="noise")
    named(X)


def test_where_nothing_is_drawn_no_stream_is_needed():
    for make in (
        layers.Dropout,
        layers.AlphaDropout,
        functools.partial(layers.DropBlock, block_size=2),
        layers.FeatureAlphaDropout,
        layers.MCDropout,
        layers.StochasticDepth,
    ):
        np.testing.assert_array_equal(make(1.0)(X), 0)
    for mode in ("row", "batch", "skip"):
        np.testing.assert_array_equal(layers.ResidualBlock(linear(), 1.0, mode=mode)(X), X)


def test_streams_advance_between_calls_in_and_out_of_jit():
    def run(modules):
        return {name: module(X) for name, module in modules.items()}

    modules, jitted_modules = (all_of(rngs=nnx.Rngs(0)) for _ in range(2))
    jitted = nnx.jit(run)
    eager = [run(modules) for _ in range(4)]
    for wanted in eager:
        assert_all_close(jitted(jitted_modules), wanted)
    rest = [jitted(jitted_modules) for _ in range(4)]
    for name, module in jitted_modules.items():
        assert len({np.asarray(y[name]).tobytes() for y in [*eager, *rest]}) > 1, name
        assert int(module.rngs.count[...]) == 8


def test_a_schedule_of_amounts_compiles_once():
    modules = {name: make() for name, (make, _) in LAYERS.items()}
    traces = []

    @nnx.jit
    def run(modules, value):
        traces.append(None)
        return {name: m(X, rngs=jax.random.key(3), **{amount_of(m): value}) for name, m in modules.items()}

    for value in (0.0, 0.25, 0.5):
        wanted = {
            name: function(jax.random.key(3), X, **{amount_of(modules[name]): value})
            for name, (_, function) in LAYERS.items()
        }
        assert_all_close(run(modules, value), wanted)
    assert len(traces) == 1


def test_a_rate_that_is_an_array_is_data_of_the_module():
    layer = layers.Dropout(jnp.float32(0.5))
    np.testing.assert_array_equal(nnx.state(layer)["rate"], 0.5)
    got = nnx.jit(lambda layer: layer(X, rngs=jax.random.key(3)))(layer)
    np.testing.assert_array_equal(got, stochastic.dropout(jax.random.key(3), X, 0.5))


def test_stacked_layers_draw_differently_under_scan_vmap_and_remat():
    class Everything(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.data(all_of(rngs=rngs))

        def __call__(self, x):
            return {name: layer(x) for name, layer in self.layers.items()}

    @nnx.jit
    @nnx.split_rngs(splits=6)
    @nnx.vmap
    def stack_of(rngs):
        return Everything(rngs)

    @nnx.jit
    @nnx.scan(in_axes=(0, None), out_axes=0)
    def scanned(model, x):
        return nnx.remat(lambda model, x: model(x))(model, x)

    @nnx.jit
    @nnx.vmap(in_axes=(0, None), out_axes=0)
    def mapped(model, x):
        return model(x)

    one, other = scanned(stack_of(nnx.Rngs(0)), X), mapped(stack_of(nnx.Rngs(0)), X)
    assert_all_close(one, other)
    for name, stacked in one.items():
        assert len({np.asarray(y).tobytes() for y in stacked}) > 1, name


@all_modules
def test_a_module_may_be_closed_over_where_the_key_is_given(make):
    layer = make()
    if getattr(layer, "mode", None) == "skip":  # `nnx.cond` writes to the modules that it is given
        return
    keys = jax.random.split(jax.random.key(0), 3)
    mapped = jax.vmap(lambda key: layer(X, rngs=key))(keys)
    looped = [layer(X, rngs=key) for key in jax.random.split(jax.random.key(0), 3)]
    np.testing.assert_allclose(mapped, jnp.stack(looped), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        layers.Dropout,
        layers.MCDropout,
        layers.AlphaDropout,
        lambda rate: layers.DropBlock(rate, block_size=2),
        lambda rate: layers.EmbeddingDropout(embed(), rate),
        layers.FeatureAlphaDropout,
        layers.GaussianDropout,
        layers.GaussianNoise,
        layers.StochasticDepth,
        lambda rate: layers.DropConnect(linear(), rate),
        lambda rate: layers.ResidualBlock(linear(), rate),
    ],
    ids=lambda make: type(make(0.5)).__name__,
)
def test_amounts_are_checked_at_construction(make):
    for value in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="must be"):
            make(value)
    with pytest.raises(TypeError, match="must be a number"):
        make("0.5")


def test_blocks_are_checked_at_construction():
    with pytest.raises(ValueError, match="`block_size` must be >= 1, got 0"):
        layers.DropBlock(0.5, block_size=(2, 0))
    with pytest.raises(ValueError, match="`normalize` must be one of 'expected', 'realized', got 'batch'"):
        layers.DropBlock(0.5, block_size=2, normalize="batch")


def test_modes_are_checked_at_construction():
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', got 'rows'"):
        layers.StochasticDepth(0.5, mode="rows")
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', 'subset', 'skip', got 'rows'"):
        layers.ResidualBlock(linear(), 0.5, mode="rows")


def test_options_of_dropout_are_checked_at_construction():
    for make in (layers.Dropout, layers.MCDropout):
        with pytest.raises(ValueError, match="`bits` must be one of 32, 16, 8, got 4"):
            make(0.5, bits=4)
        with pytest.raises(TypeError, match="`recompute` must be True or False, got 1"):
            make(0.5, recompute=1)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (lambda step: 0.1, "`rate` must be a number or a traced scalar, got the function .*: call a schedule first"),
        ("half", "`rate` must be a number or a scalar array, got 'half'"),
    ],
)
def test_a_schedule_that_was_not_called_is_no_rate(rate, message):
    with pytest.raises(TypeError, match=message):
        layers.Dropout(0.5, deterministic=False, rngs=nnx.Rngs(0))(jnp.ones(2), rate=rate)
