"""Layers of Linen: the numbers of the functions, and where their flag and key come from."""

import functools

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen, stochastic

X = jnp.linspace(-2.0, 2.0, 24).reshape(4, 3, 2)

# Layer, and the function that it is made of.
LAYERS = {
    "Dropout": (linen.Dropout(0.4), functools.partial(stochastic.dropout, rate=0.4)),
    "Dropout shared": (
        linen.Dropout(0.4, (1, -1)),
        functools.partial(stochastic.dropout, rate=0.4, broadcast_dims=(1, 2)),
    ),
    "Dropout options": (
        linen.Dropout(0.4, bits=16, recompute=True),
        functools.partial(stochastic.dropout, rate=0.4, bits=16, recompute=True),
    ),
    "Dropout to zero": (linen.Dropout(1.0), functools.partial(stochastic.dropout, rate=1.0)),
    "MCDropout": (linen.MCDropout(0.4), functools.partial(stochastic.dropout, rate=0.4)),
    "MCDropout options": (
        linen.MCDropout(0.4, bits=8, recompute=True),
        functools.partial(stochastic.dropout, rate=0.4, bits=8, recompute=True),
    ),
    "AlphaDropout": (
        linen.AlphaDropout(0.4, broadcast_dims=(0,)),
        functools.partial(stochastic.alpha_dropout, rate=0.4, broadcast_dims=(0,)),
    ),
    "DropBlock": (
        linen.DropBlock(0.4, block_size=2),
        functools.partial(stochastic.drop_block, rate=0.4, block_size=2),
    ),
    "DropBlock options": (
        linen.DropBlock(0.4, block_size=(3,), couple_channels=False, normalize="realized"),
        functools.partial(stochastic.drop_block, rate=0.4, block_size=3, couple_channels=False, normalize="realized"),
    ),
    "FeatureAlphaDropout": (
        linen.FeatureAlphaDropout(0.4),
        functools.partial(stochastic.feature_alpha_dropout, rate=0.4),
    ),
    "GaussianDropout": (linen.GaussianDropout(0.4), functools.partial(stochastic.gaussian_dropout, rate=0.4)),
    "GaussianNoise": (linen.GaussianNoise(1.0), functools.partial(stochastic.gaussian_noise, stddev=1.0)),
    "StochasticDepth": (linen.StochasticDepth(0.4), functools.partial(stochastic.stochastic_depth, rate=0.4)),
    "StochasticDepth batch": (
        linen.StochasticDepth(0.4, mode="batch"),
        functools.partial(stochastic.stochastic_depth, rate=0.4, mode="batch"),
    ),
}
LINEAR = nn.Dense(2)


class Words(linen.EmbeddingDropout):
    """Takes what the other layers take, as words."""

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(jnp.round(inputs + 2).astype(int), *args, **kwargs)


WRAPPERS = {
    "DropConnect": linen.DropConnect(LINEAR, 0.4),
    "EmbeddingDropout": Words(nn.Embed(5, 2), 0.4),
    **{
        f"ResidualBlock {mode}": linen.ResidualBlock(LINEAR, 0.4, mode=mode)
        for mode in ("row", "batch", "subset", "skip")
    },
}
every_layer = pytest.mark.parametrize(("layer", "function"), LAYERS.values(), ids=LAYERS)
ALL = {name: layer for name, (layer, _) in LAYERS.items()} | WRAPPERS
all_modules = pytest.mark.parametrize("layer", ALL.values(), ids=ALL)
DRAWING = {name: layer for name, layer in ALL.items() if name != "Dropout to zero"}


def amount_of(layer):
    return "stddev" if isinstance(layer, linen.GaussianNoise) else "rate"


def assert_all_close(got, wanted):
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


@functools.cache
def variables_of(layer):
    return layer.init(jax.random.key(0), X, deterministic=True)


@every_layer
def test_numbers_are_those_of_the_function(layer, function):
    wanted = function(jax.random.key(1), X)
    np.testing.assert_array_equal(layer.apply({}, X, False, jax.random.key(1)), wanted)
    np.testing.assert_array_equal(layer.apply({}, X, deterministic=False, rng=jax.random.key(1)), wanted)


@every_layer
def test_deterministic_returns_the_input_itself(layer, function):
    del function
    assert layer.apply({}, X, deterministic=True) is X
    numbers = jnp.arange(3)
    assert layer.apply({}, numbers, deterministic=True) is numbers
    if not isinstance(layer, linen.MCDropout):
        assert layer.clone(deterministic=True).apply({}, X) is X
        # The call wins.
        got = layer.clone(deterministic=True).apply({}, X, deterministic=False, rng=jax.random.key(1))
        np.testing.assert_array_equal(got, layer.apply({}, X, deterministic=False, rng=jax.random.key(1)))


def test_a_traced_flag_chooses():
    layers = {name: layer for name, layer in ALL.items() if "subset" not in name}
    variables = {name: variables_of(layer) for name, layer in ALL.items()}

    def run(flag):
        return {n: m.apply(variables[n], X, deterministic=flag, rng=jax.random.key(2)) for n, m in layers.items()}

    jitted = jax.jit(run)
    certain, random = jitted(True), jitted(False)
    assert_all_close(certain, run(True))
    assert_all_close(random, run(False))
    assert not any(np.array_equal(certain[name], random[name]) for name in layers)
    with pytest.raises(TypeError, match=r"`deterministic` must be a Python bool in mode 'subset'"):
        ALL["ResidualBlock subset"].apply(
            variables["ResidualBlock subset"], X, deterministic=jnp.array(True), rng=jax.random.key(2)
        )


@all_modules
def test_an_unresolved_flag_matters_only_where_something_is_random(layer):
    variables = variables_of(layer)
    amount = "stddev" if isinstance(layer, linen.GaussianNoise) else "rate"
    certain = layer.apply(variables, X, deterministic=True)
    np.testing.assert_array_equal(layer.clone(**{amount: 0.0}).apply(variables, X), certain)
    np.testing.assert_array_equal(layer.apply(variables, X, **{amount: 0}), certain)
    if not isinstance(layer, linen.MCDropout):
        with pytest.raises(
            ValueError, match=r"`deterministic` must be set where the rate is not 0: in the constructor, in"
        ):
            layer.apply(variables, X, rng=jax.random.key(0))
        with pytest.raises(ValueError, match="`deterministic` must be set"):
            layer.clone(**{amount: 0.0}).apply(variables, X, rng=jax.random.key(0), **{amount: jnp.float32(0.0)})
    with pytest.raises(TypeError, match="`deterministic` must be a bool or a boolean scalar, got float32 of shape"):
        layer.apply(variables, X, deterministic=jnp.ones(3), rng=jax.random.key(0))


@all_modules
def test_parameters_are_made_without_a_flag_and_without_a_stream(layer):
    if not isinstance(layer, linen.MCDropout):
        bare = layer.init({"params": jax.random.key(0)}, X)
        for flag in (True, False):
            other = layer.init({"params": jax.random.key(0)}, X, deterministic=flag)
            assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), bare, other))
    assert ("params" in variables_of(layer)) == (layer in WRAPPERS.values())


@all_modules
def test_a_missing_stream_is_an_error(layer):
    variables = variables_of(layer)
    if layer is not LAYERS["Dropout to zero"][0]:
        with pytest.raises(ValueError, match=r"`rngs` must have a key for the stream 'dropout', got \['noise'\]"):
            layer.apply(variables, X, deterministic=False, rngs={"noise": jax.random.key(0)})
    named = layer.clone(rng_collection="noise")
    a, b = (named.apply(variables, X, deterministic=False, rngs={"noise": jax.random.key(seed)}) for seed in (0, 0))
    np.testing.assert_array_equal(a, b)


def test_where_nothing_is_drawn_no_stream_is_needed():
    for layer in (
        linen.Dropout(1.0),
        linen.AlphaDropout(1),
        linen.DropBlock(1.0, block_size=2),
        linen.FeatureAlphaDropout(1.0),
        linen.MCDropout(1.0),
        linen.StochasticDepth(1.0),
    ):
        np.testing.assert_array_equal(layer.apply({}, X, deterministic=False), 0)
    for mode in ("row", "batch", "skip"):
        block = linen.ResidualBlock(LINEAR, 1.0, mode=mode)
        np.testing.assert_array_equal(block.apply(variables_of(block), X, deterministic=False), X)


def test_streams_advance_between_calls():
    class Twice(nn.Module):
        layers: dict[str, nn.Module]

        @nn.compact
        def __call__(self, x):
            def run():
                return {name: layer(x, deterministic=False) for name, layer in self.layers.items()}

            return run(), run()

    model = Twice(DRAWING)
    variables = model.init(jax.random.key(0), X)
    run = jax.jit(model.apply)
    pairs = [run(variables, X, rngs={"dropout": jax.random.key(seed)}) for seed in range(8)]
    for name in DRAWING:
        assert any(not np.array_equal(first[name], second[name]) for first, second in pairs), name
    jax.tree.map(np.testing.assert_array_equal, run(variables, X, rngs={"dropout": jax.random.key(0)}), pairs[0])


def test_a_schedule_of_amounts_compiles_once():
    layers = {name: layer for name, (layer, _) in LAYERS.items()}
    traces = []

    @jax.jit
    def run(value):
        traces.append(None)
        # A field may be traced as well as an argument of the call.
        return (
            {n: m.apply({}, X, False, jax.random.key(3), **{amount_of(m): value}) for n, m in layers.items()},
            {n: m.clone(**{amount_of(m): value}).apply({}, X, False, jax.random.key(3)) for n, m in layers.items()},
        )

    for value in (0.0, 0.25, 0.5):
        wanted = {n: f(jax.random.key(3), X, **{amount_of(layer): value}) for n, (layer, f) in LAYERS.items()}
        for got in run(value):
            assert_all_close(got, wanted)
    assert len(traces) == 1


def test_mc_dropout_is_on_unless_the_call_says_otherwise():
    layer = linen.MCDropout(0.5)
    for flag in (None, False):
        y = layer.apply({}, jnp.ones(100), flag, rngs={"dropout": jax.random.key(0)})
        assert set(y.tolist()) == {0.0, 2.0}
    assert layer.apply({}, X, True) is X
    with pytest.raises(TypeError, match="deterministic"):
        linen.MCDropout(0.5, deterministic=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: linen.Dropout(rate),
        lambda rate: linen.MCDropout(rate),
        lambda rate: linen.AlphaDropout(rate),
        lambda rate: linen.DropBlock(rate, block_size=2),
        lambda rate: linen.EmbeddingDropout(nn.Embed(5, 2), rate),
        lambda rate: linen.FeatureAlphaDropout(rate),
        lambda rate: linen.GaussianDropout(rate),
        lambda rate: linen.GaussianNoise(rate),
        lambda rate: linen.StochasticDepth(rate),
        lambda rate: linen.DropConnect(LINEAR, rate),
        lambda rate: linen.ResidualBlock(LINEAR, rate),
    ],
    ids=lambda make: make(0.5).__class__.__name__,
)
def test_amounts_are_checked_at_construction(make):
    for value in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="must be"):
            make(value)
    with pytest.raises(TypeError, match="must be a number"):
        make("0.5")


def test_blocks_are_checked_at_construction():
    with pytest.raises(ValueError, match="`block_size` must be >= 1, got 0"):
        linen.DropBlock(0.5, block_size=(2, 0))
    with pytest.raises(ValueError, match="`normalize` must be one of 'expected', 'realized', got 'batch'"):
        linen.DropBlock(0.5, block_size=2, normalize="batch")
    with pytest.raises(TypeError, match="block_size"):
        linen.DropBlock(0.5)


def test_modes_are_checked_at_construction():
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', got 'rows'"):
        linen.StochasticDepth(0.5, mode="rows")
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', 'subset', 'skip', got 'rows'"):
        linen.ResidualBlock(LINEAR, 0.5, mode="rows")


def test_options_of_dropout_are_checked_at_construction():
    for make in (linen.Dropout, linen.MCDropout):
        with pytest.raises(ValueError, match="`bits` must be one of 32, 16, 8, got 4"):
            make(0.5, bits=4)
        with pytest.raises(TypeError, match="`recompute` must be True or False, got 1"):
            make(0.5, recompute=1)


def test_options_are_keyword_only_except_where_flax_has_them_otherwise():
    assert linen.Dropout(0.5, (1,), True, "noise") == linen.Dropout(
        0.5, broadcast_dims=(1,), deterministic=True, rng_collection="noise"
    )
    for make in (
        linen.MCDropout,
        linen.AlphaDropout,
        functools.partial(linen.DropBlock, block_size=2),
        linen.FeatureAlphaDropout,
        linen.GaussianDropout,
        linen.GaussianNoise,
        linen.StochasticDepth,
    ):
        with pytest.raises(TypeError, match="positional argument"):
            make(0.5, "row")


def test_errors_of_flax_are_not_replaced_where_the_layer_is_unbound():
    with pytest.raises((ValueError, flax.errors.FlaxError)):
        linen.Dropout(0.5)(X, deterministic=False)
