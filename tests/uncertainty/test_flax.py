import functools
import warnings

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import regjax.linen
import regjax.nnx
from regjax.linen import mc_apply
from regjax.nnx import mc_call
from regjax.uncertainty import mc_classify, mc_regress, mc_samples


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)


def same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for left, right in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        if jnp.issubdtype(left.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(jax.random.key_data(left), jax.random.key_data(right))
        else:
            np.testing.assert_array_equal(left, right)


class Classifier(nn.Module):
    """Normalizes and drops; `deterministic` reaches the layer by `by`."""

    rate: float = 0.5
    by: str = "field"
    dropout: type[nn.Module] = nn.Dropout

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
        if self.by == "field":
            x = self.dropout(self.rate, deterministic=not train)(x)
        elif self.by == "argument":
            x = self.dropout(self.rate)(x, not train)
        else:
            x = self.dropout(self.rate)(x, deterministic=not train)
        return nn.Dense(3)(x)


@pytest.fixture(scope="module")
def variables(x):
    """Trained a little, so that batch statistics are not their initial values."""
    model = Classifier()
    variables = jax.jit(model.init)(jax.random.key(0), x)
    train = jax.jit(functools.partial(model.apply, train=True, mutable=["batch_stats"]))
    return variables | train(variables, x + 1, rngs={"dropout": jax.random.key(1)})[1]


def without_dropout(variables, x):
    """The activations before dropout in evaluation mode, in float64."""
    variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    dense, normal = variables["params"]["Dense_0"], variables["params"]["BatchNorm_0"]
    statistics = variables["batch_stats"]["BatchNorm_0"]
    hidden = np.asarray(x, np.float64) @ dense["kernel"] + dense["bias"]
    return (hidden - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-5) * normal["scale"] + normal["bias"]


@pytest.mark.parametrize("by", ["field", "argument", "keyword"])
@pytest.mark.parametrize("dropout", [nn.Dropout, regjax.linen.Dropout], ids=["flax", "regjax"])
def test_linen_only_the_noise_is_switched_on(by, dropout, variables, x, key):
    model = Classifier(by=by, dropout=dropout)
    before = jax.tree.map(np.array, variables)
    result = jax.jit(functools.partial(mc_apply, model))(variables, key, x)

    class Training(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.5, deterministic=False)(x)

    # The mask of Flax for this key, on the activations of evaluation mode.
    dropped = Training().apply({}, jnp.asarray(without_dropout(variables, x), jnp.float32), rngs={"dropout": key})
    output = variables["params"]["Dense_1"]
    expected = np.asarray(dropped) @ np.asarray(output["kernel"]) + np.asarray(output["bias"])
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    same(variables, before)
    # The model itself is as it was.
    same(*jax.jit(lambda variables, x: (model.apply(variables, x), Classifier().apply(variables, x)))(variables, x))


def test_linen_converges_to_the_closed_form(variables, x, key):
    hidden = without_dropout(variables, x)
    kernel, bias = (np.asarray(variables["params"]["Dense_1"][n], np.float64) for n in ("kernel", "bias"))
    variances = hidden**2 @ kernel**2

    @jax.jit
    def predict(variables, key, x):
        fn = functools.partial(mc_apply, Classifier(), variables, train=False)
        return mc_regress(fn, key, x, num_samples=2000, batch_size=100)

    result = predict(variables, key, x)
    assert np.all(np.abs(result.mean - (hidden @ kernel + bias)) < 5 * np.sqrt(variances / 2000))
    # A sum of fair signs has less kurtosis than a Gaussian, so its variance is known at least as well.
    assert np.all(np.abs(result.variance - variances) < 5 * variances * np.sqrt(2 / 2000))


def test_linen_mc_dropout_needs_no_help(variables, x, key):
    model = MCClassifier()
    variables = {
        "params": variables["params"],
        "batch_stats": variables["batch_stats"],
    }

    def fn(key, x):
        return model.apply(variables, x, rngs={"dropout": key})

    plain = jax.jit(functools.partial(mc_classify, fn, num_samples=10, batch_size=4))(key, x)
    adapted = jax.jit(functools.partial(mc_classify, functools.partial(mc_apply, model, variables), num_samples=10))(
        key, x
    )
    np.testing.assert_allclose(plain.probabilities, adapted.probabilities, rtol=1e-5)
    assert np.all(plain.mutual_information > 0)


def test_linen_wrappers_hand_on_what_they_were_told(x, key):
    class Branch(nn.Module):
        @nn.compact
        def __call__(self, x, deterministic):
            return nn.BatchNorm(use_running_average=deterministic)(nn.Dense(4)(x))

    class Model(nn.Module):
        wrapper: type[nn.Module]

        @nn.compact
        def __call__(self, x):
            return self.wrapper(Branch(), 0.5)(x, deterministic=True)

    for wrapper in [regjax.linen.ResidualBlock, regjax.linen.DropConnect]:
        model = Model(wrapper)
        variables = jax.jit(model.init)(jax.random.key(0), x)
        # Flax refuses to move the statistics, so batch mode would fail here.
        samples = jax.jit(functools.partial(mc_samples, functools.partial(mc_apply, model, variables), num_samples=6))(
            key, x
        )
        assert len(np.unique(np.asarray(samples), axis=0)) > 1, wrapper


@pytest.mark.parametrize(
    "layer",
    [
        regjax.linen.MCDropout(0.5),
        regjax.linen.GaussianDropout(0.5, deterministic=True),
        regjax.linen.GaussianNoise(0.5, deterministic=True),
        regjax.linen.AlphaDropout(0.5, deterministic=True),
        regjax.linen.StochasticDepth(0.5, deterministic=True),
        nn.MultiHeadDotProductAttention(2, dropout_rate=0.5, deterministic=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_linen_every_layer_is_reached(layer, key):
    x = jnp.ones((8, 4, 4))
    variables = jax.jit(layer.init)(jax.random.key(0), x)
    run = jax.jit(functools.partial(mc_samples, functools.partial(mc_apply, layer, variables), num_samples=2))
    first, second = run(key, x)
    assert np.any(first != second)


def test_linen_remat_and_other_streams(key):
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.remat(nn.Dropout)(0.5, deterministic=True)(x)
            return nn.Dropout(0.5, deterministic=True, rng_collection="other")(x)

    kept = np.asarray(mc_apply(Model(), {}, key, jnp.ones(4000)) == 4)
    assert abs(kept.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_linen_the_stream_can_be_named(key):
    layer = nn.Dropout(0.5, deterministic=True, rng_collection="noise")
    result = mc_apply(layer, {}, key, jnp.ones(20), rng_collection="noise")
    expected = layer.apply({}, jnp.ones(20), rngs={"noise": key})
    same(expected, jnp.ones(20))
    np.testing.assert_array_equal(
        result,
        nn.Dropout(0.5, deterministic=False, rng_collection="noise").apply({}, jnp.ones(20), rngs={"noise": key}),
    )


def within(wrapped):
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return wrapped(0.5, deterministic=True)(x)

    return Model()


def within_vmap(wrapped):
    class Entry(nn.Module):
        @nn.compact
        def __call__(self, x):
            return wrapped(0.5, deterministic=True)(x)

    # Only the streams that are named get inside.
    return nn.vmap(Entry, variable_axes={}, split_rngs={"dropout": True})()


@pytest.mark.parametrize("dropout", [nn.Dropout, regjax.linen.Dropout], ids=["flax", "regjax"])
@pytest.mark.parametrize(
    ("make", "streams"),
    [
        (lambda wrapped: wrapped(0.5, deterministic=True), ("dropout", "params")),
        (within, ("dropout", "params")),
        (within, ("params", "dropout")),
        (within, ("dropout",)),
        (within_vmap, ("dropout", "params")),
        (within_vmap, ("dropout",)),
    ],
    ids=["model", "block", "block, other order", "block, one stream", "mapped", "mapped, one stream"],
)
@pytest.mark.parametrize("first", ["pass", "evaluation"])
def test_linen_passes_compiled_inside_are_not_confused_with_evaluation(dropout, make, streams, first, key):
    model, x = make(nn.jit(dropout)), jnp.ones(100)

    def evaluate():
        same(model.apply({}, x, rngs={stream: jax.random.key(0) for stream in streams}), x)

    if first == "evaluation":
        evaluate()
    left, right, again = (mc_apply(model, {}, jax.random.key(seed), x) for seed in (1, 2, 1))
    assert set(np.unique(left)) == {0.0, 2.0}
    assert np.any(left != right)
    same(left, again)
    evaluate()


class Twice(nn.Module):
    def setup(self):
        self.dropout = nn.Dropout(0.5, deterministic=True)

    def __call__(self, x):
        return self.dropout(x)

    def twice(self, x):
        return self.dropout(self.dropout(x))


@pytest.mark.parametrize(
    ("method", "scale"),
    [(None, 2), ("twice", 4), (Twice.twice, 4), (Twice().twice, 4), (lambda bound, x: bound.twice(x), 4)],
    ids=["none", "name", "of the class", "of a module", "function"],
)
def test_linen_the_method_can_be_chosen(method, scale, key):
    result = mc_apply(Twice(), {}, key, jnp.ones(100), method=method)
    assert set(np.unique(result)) == {0.0, scale}


def test_linen_the_mode_ends_with_the_pass(variables, x, key):
    layer = regjax.linen.Dropout(0.5, deterministic=True)
    with pytest.raises(flax.errors.ModifyScopeVariableError):
        mc_apply(Classifier(), variables, key, x, train=True)
    same(layer.apply({}, x), x)

    seen = []

    def spy(call, args, kwargs, context):
        seen.append(context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(spy):
        mc_apply(nn.Dropout(0.5, deterministic=True), {}, key, x)
    assert seen[0].deterministic


@pytest.mark.parametrize("model", [Classifier(rate=0.0), Classifier(rate=1.0)])
def test_linen_refuses_a_pass_without_noise(model, variables, x, key):
    message = "`module` must have a noise layer that acts, .* got a pass that drew no random numbers"
    with pytest.raises(ValueError, match=message):
        mc_apply(model, variables, key, x)
    with pytest.raises(ValueError, match=message):
        jax.jit(functools.partial(mc_classify, functools.partial(mc_apply, model, variables), num_samples=3))(key, x)


def test_linen_refuses_what_is_no_key(variables, x):
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        mc_apply(Classifier(), variables, x)


class MCClassifier(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=True)(nn.Dense(8)(x))
        return nn.Dense(3)(regjax.linen.MCDropout(0.5)(x))


class Network(nnx.Module):
    def __init__(self, dropout, rngs):
        self.inner = nnx.Linear(4, 8, rngs=rngs)
        self.normal = nnx.BatchNorm(8, rngs=rngs)
        self.first, self.second = dropout(), dropout()
        self.outer = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x, deterministic=None):
        x = self.first(self.normal(self.inner(x)), deterministic=deterministic)
        return self.outer(self.second(x, deterministic=deterministic))


def network(kind=nnx.Dropout, rate=0.5, with_rngs=True):
    rngs = nnx.Rngs(0, dropout=1)
    model = Network(lambda: kind(rate, rngs=rngs if with_rngs else None), rngs)
    # Batch statistics that are not their initial values, taken without dropout.
    model.normal(model.inner(jnp.linspace(-1, 2, 20).reshape(5, 4)))
    return model


@pytest.mark.parametrize("kind", [nnx.Dropout, regjax.nnx.Dropout, regjax.nnx.MCDropout], ids=["flax", "regjax", "mc"])
@pytest.mark.parametrize(("with_rngs", "mode"), [(True, "train"), (False, "eval")])
def test_nnx_the_module_is_left_as_it_is(kind, with_rngs, mode, x, key):
    model = network(kind, with_rngs=with_rngs)
    getattr(model, mode)()
    definition, state = nnx.split(model)
    before = jax.tree.map(lambda leaf: leaf.copy(), state)
    fn = functools.partial(mc_call, model)
    with jax.checking_leaks():
        result = jax.jit(functools.partial(mc_classify, fn, num_samples=5, batch_size=2))(key, x)
    assert np.all(result.mutual_information > 0)
    after_definition, after = nnx.split(model)
    same(after, before)
    assert after_definition == definition


def test_nnx_converges_to_the_closed_form_in_evaluation_mode(x, key):
    model = network()
    model.second.rate = 0.0
    statistics = model.normal
    hidden = np.asarray(model.inner(x), np.float64)
    hidden = (hidden - np.asarray(statistics.mean[...])) / np.sqrt(np.asarray(statistics.var[...]) + 1e-5)
    kernel, bias = np.asarray(model.outer.kernel[...], np.float64), np.asarray(model.outer.bias[...], np.float64)
    variances = hidden**2 @ kernel**2

    @nnx.jit
    def predict(model, key, x):
        return mc_regress(functools.partial(mc_call, model), key, x, num_samples=2000, batch_size=100)

    result = predict(model, key, x)
    assert np.all(np.abs(result.mean - (hidden @ kernel + bias)) < 5 * np.sqrt(variances / 2000))
    assert np.all(np.abs(result.variance - variances) < 5 * variances * np.sqrt(2 / 2000))


@pytest.mark.parametrize("with_rngs", [True, False])
def test_nnx_layers_are_independent(with_rngs, key):
    class Pair(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0) if with_rngs else None
            self.left, self.right = nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return jnp.stack([self.left(x), self.right(x), self.left(x)])

    kept = np.asarray(mc_call(Pair(), key, jnp.ones(4000)) > 0)
    standard_error = 0.5 / np.sqrt(4000)
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert abs((kept[i] == kept[j]).mean() - 0.5) < 5 * standard_error


def test_nnx_keys_decide(x, key):
    model = network()
    same(mc_call(model, key, x), mc_call(model, jax.random.key(0), x))
    assert np.any(mc_call(model, key, x) != mc_call(model, jax.random.key(1), x))


def test_nnx_stacked_layers_get_a_key_each(key):
    @nnx.split_rngs(splits=2)
    @nnx.vmap(in_axes=0, out_axes=0)
    def make(rngs):
        return nnx.Dropout(0.5, rngs=rngs)

    class Stack(nnx.Module):
        def __init__(self):
            self.layers = make(nnx.Rngs(0))

        def __call__(self, x):
            return nnx.vmap(lambda layer, x: layer(x), in_axes=(0, None), out_axes=0)(self.layers, x)

    kept = np.asarray(mc_call(Stack(), key, jnp.ones(4000)) > 0)
    assert abs((kept[0] == kept[1]).mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize(
    "layer",
    [
        regjax.nnx.GaussianDropout(0.5, deterministic=True),
        regjax.nnx.GaussianNoise(0.5, deterministic=True),
        regjax.nnx.AlphaDropout(0.5, deterministic=True),
        regjax.nnx.StochasticDepth(0.5, deterministic=True),
        regjax.nnx.DropConnect(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), 0.5, deterministic=True),
        regjax.nnx.ResidualBlock(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), 0.5, deterministic=True),
        nnx.MultiHeadAttention(2, 4, dropout_rate=0.5, deterministic=True, decode=False, rngs=nnx.Rngs(0)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_nnx_every_layer_is_reached(layer, key):
    x = jnp.ones((8, 4, 4))
    first, second = jax.jit(functools.partial(mc_samples, functools.partial(mc_call, layer), num_samples=2))(key, x)
    assert np.any(first != second)
    assert layer.deterministic


@pytest.mark.parametrize(("rate", "deterministic"), [(0.0, None), (1.0, None), (0.5, True)])
def test_nnx_refuses_a_pass_without_noise(rate, deterministic, x, key):
    message = "`module` must have a noise layer that acts, .* got a pass that drew no random numbers"
    fn = functools.partial(mc_call, network(rate=rate), deterministic=deterministic)
    with pytest.raises(ValueError, match=message):
        fn(key, x)
    with pytest.raises(ValueError, match=message):
        jax.jit(functools.partial(mc_classify, fn, num_samples=3))(key, x)


def test_nnx_refuses_what_is_no_key(x):
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        mc_call(network(), x)


def test_what_an_nnx_model_writes_in_evaluation_stays_in_the_copy():
    class Counting(nnx.Module):
        def __init__(self, rngs):
            self.dropout, self.calls = nnx.Dropout(0.5, rngs=rngs), nnx.Variable(jnp.zeros(()))

        def __call__(self, x):
            with warnings.catch_warnings():  # the one way that all supported releases have is deprecated in new ones
                warnings.simplefilter("ignore", DeprecationWarning)
                self.calls.value = self.calls.value + 1
            return self.dropout(x)

    model = Counting(nnx.Rngs(0))
    regjax.nnx.mc_call(model, jax.random.key(0), jnp.ones(3))
    assert float(jax.tree.leaves(nnx.state(model, nnx.Not(nnx.RngState)))[0]) == 0.0
