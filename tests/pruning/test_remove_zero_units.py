"""Small networks against the large ones that they were cut from, in NumPy and in Flax."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.core import freeze

from regjax import pruning
from regjax._src.paths import leaf_paths

ACTIVATIONS = {name: jax.jit(f) for name, f in [("relu", jax.nn.relu), ("tanh", jnp.tanh), ("sigmoid", jax.nn.sigmoid)]}
ACTIVATIONS["gelu"] = jax.jit(jax.nn.gelu)
NUMPY = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
# A layer is a kernel `[..., in, out]` and a bias. Here the kernel of a layer behind what is flattened is still
# `[positions, in, out]`.
POSITIONS = 12
DENSE = [(6, 5), (5, 4), (4, 3), (3, 2)]
CONVOLUTIONAL = [(2, 2, 3, 4), (2, 3, 4, 5), (POSITIONS, 5, 4), (4, 2)]


def random_stack(rng, shapes, zeros):
    """Kernels with zero rows and columns, and biases of which many are zero and some are missing."""
    stack = []
    for shape in shapes:
        kernel = rng.normal(size=shape)
        kernel[..., rng.random(shape[-2]) < zeros, :] = 0
        kernel[..., rng.random(shape[-1]) < zeros] = 0
        kernel[rng.random(shape) < zeros / 2] = 0
        bias = np.where(rng.random(shape[-1]) < 0.5, 0, rng.normal(size=shape[-1]))
        stack.append((kernel, bias if rng.random() < 0.8 else None))
    return stack


def layer_names(stack):
    return [f"layer_{i}" for i in range(len(stack))]


def as_params(stack):
    return {
        name: {"kernel": kernel.reshape(-1, kernel.shape[-1]) if kernel.ndim == 3 else kernel}
        | ({} if bias is None else {"bias": bias})
        for name, (kernel, bias) in zip(layer_names(stack), stack, strict=True)
    }


def convolve(x, kernel, padding):
    size = kernel.shape[:2]
    if padding == "SAME":
        x = np.pad(x, [(0, 0), *(((n - 1) // 2, n // 2) for n in size), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, size, (1, 2))
    return np.einsum("bhwcij,ijco->bhwo", windows, kernel)


def forward(params, function, padding, x):
    for i, layer in enumerate(params.values()):
        kernel = layer["kernel"]
        if kernel.ndim == 2:
            x = x.reshape(len(x), -1)
        x = (x @ kernel if kernel.ndim == 2 else convolve(x, kernel, padding)) + layer.get("bias", 0)
        x = x if i == len(params) - 1 else function(x)
    return x


def remove_one(stack, function, padding):
    """Removes the first unit or input that may go, by the rules read aloud; returns None where there is none."""
    first, bias = stack[0]
    for j in range(first.shape[-2]):
        if not first[..., j, :].any():
            return [(np.delete(first, j, -2), bias), *stack[1:]]
    for i, ((kernel, bias), (following, bias_after)) in enumerate(itertools.pairwise(stack)):
        can_move = bias_after is not None and (following.ndim < 4 or padding == "VALID")
        for j in range(kernel.shape[-1]):
            value = function(0.0 if bias is None else bias[j])
            constant = not kernel[..., j].any() and (value == 0 or can_move)
            if not constant and following[..., j, :].any():
                continue
            gets = value * following[..., j, :].sum(axis=tuple(range(following.ndim - 2)))
            smaller = (np.delete(kernel, j, -1), None if bias is None else np.delete(bias, j))
            after = (np.delete(following, j, -2), bias_after + gets if constant and value != 0 else bias_after)
            return [*stack[:i], smaller, after, *stack[i + 2 :]]
    return None


@pytest.mark.parametrize(
    ("shapes", "activation", "padding"),
    [
        (DENSE, "relu", "SAME"),
        (DENSE, "tanh", "SAME"),
        (DENSE, "sigmoid", "SAME"),
        (DENSE, "gelu", "SAME"),
        (CONVOLUTIONAL, "relu", "SAME"),
        (CONVOLUTIONAL, "sigmoid", "SAME"),
        (CONVOLUTIONAL, "sigmoid", "VALID"),
        (CONVOLUTIONAL, "gelu", "VALID"),
    ],
)
def test_outputs_are_equal_and_nothing_more_can_go(shapes, activation, padding, enable_x64):
    # The same number of positions is left of either.
    size = {1: (), 3: (3, 4) if padding == "SAME" else (5, 7)}[len(shapes[0]) - 1]
    x = np.random.default_rng(1).normal(size=(3, *size, shapes[0][-2]))
    assert size in {(), (3, 4)} or (size[0] - 2) * (size[1] - 3) == POSITIONS
    call = functools.partial(pruning.remove_zero_units, activation=ACTIVATIONS[activation], padding=padding)
    seen = set()
    for seed in range(50):
        stack = random_stack(np.random.default_rng(seed), shapes, zeros=(0.15, 0.3, 0.5)[seed % 3])
        params, layers = as_params(stack), layer_names(stack)
        small = call(params, layers)
        outputs = [
            forward(tree, NUMPY[activation], padding, images)
            for tree, images in [(params, x), (small.params, x[..., small.inputs])]
        ]
        np.testing.assert_allclose(*outputs, rtol=1e-12, atol=1e-12)

        while (smaller := remove_one(stack, NUMPY[activation], padding)) is not None:
            stack = smaller
        # Of a layer without units one stays.
        units = [max(kernel.shape[-1], 1) for kernel, _ in stack]
        assert [len(small.inputs), *map(len, small.units.values())] == [max(stack[0][0].shape[-2], 1), *units]
        assert list(small.units) == layers
        for layer, kept in small.units.items():
            assert small.params[layer]["kernel"].shape[-1] == len(kept)
        seen.add(tuple(units))
        again = call(small.params, layers)
        jax.tree.map(np.testing.assert_array_equal, again.params, small.params)
    assert len(seen) > 15


def test_by_hand():
    params = {
        "a": {
            "kernel": np.array([[1.0, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0]]),
            "bias": np.array([0.5, 2.0, 0.25, -1.0]),
        },
        "b": {"kernel": np.array([[1.0, 0], [10, 20], [0, 0], [7, 7]]), "bias": np.array([0.0, -30.0])},
        "c": {"kernel": np.array([[1.0], [5.0]]), "bias": np.array([4.0])},
        "rest": np.ones(3),
    }
    small = pruning.remove_zero_units(params, ["a", "b", "c"], activation=jax.nn.relu)
    # Unit 1 of "a" is the constant 2, unit 2 leads nowhere, and unit 3 is relu(-1) = 0. With them gone, unit 1 of "b"
    # is the constant relu(-30 + 20 * 2) = 10.
    assert small.inputs.tolist() == [0, 2]
    assert {name: units.tolist() for name, units in small.units.items()} == {"a": [0], "b": [0], "c": [0]}
    expected = {
        "a": {"kernel": np.array([[1.0], [3.0]]), "bias": np.array([0.5])},
        "b": {"kernel": np.array([[1.0]]), "bias": np.array([20.0])},
        "c": {"kernel": np.array([[1.0]]), "bias": np.array([54.0])},
        "rest": params["rest"],
    }
    jax.tree.map(np.testing.assert_array_equal, small.params, expected)
    assert small.params["rest"] is params["rest"]
    np.testing.assert_array_equal(params["b"]["bias"], [0.0, -30.0])

    all_inputs = pruning.remove_zero_units(params, ["a", "b", "c"], activation=jax.nn.relu, remove_inputs=False)
    assert all_inputs.inputs.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(all_inputs.params["a"]["kernel"], [[1.0], [0.0], [3.0]])


def two_layers(first, bias, second, bias_after):
    arrays = [jnp.asarray(array, jnp.float32) for array in (first, bias, second, bias_after)]
    return {"a": {"kernel": arrays[0], "bias": arrays[1]}, "b": {"kernel": arrays[2], "bias": arrays[3]}}


def test_one_activation_for_each_layer():
    params = two_layers(np.zeros((1, 2)), [-3, 0], np.ones((2, 2)), [0, 0])
    params |= {"c": {"kernel": jnp.ones((2, 1)), "bias": jnp.zeros(1)}}
    small = pruning.remove_zero_units(params, ["a", "b", "c"], activation=[jnp.abs, lambda x: 2 * x])
    np.testing.assert_array_equal(small.params["c"]["bias"], [(2 * 3) * 2])


def test_a_layer_without_units_keeps_one_that_does_nothing():
    params = two_layers(np.zeros((3, 2)), [1, 1], np.ones((2, 1)), [1])
    small = pruning.remove_zero_units(params, ["a", "b"], activation=jax.nn.relu)
    assert jax.tree.map(jnp.shape, small.params) == {
        "a": {"bias": (1,), "kernel": (1, 1)},
        "b": {"bias": (1,), "kernel": (1, 1)},
    }
    assert (float(small.params["b"]["kernel"][0, 0]), float(small.params["b"]["bias"][0])) == (0, 3)
    assert (small.inputs.tolist(), small.units["a"].tolist()) == ([0], [0])
    flattened = two_layers(np.zeros((2, 2, 3, 4)), np.ones(4), np.ones((3 * 4, 2)), [1, 2])
    small = pruning.remove_zero_units(flattened, ["a", "b"], activation=jax.nn.relu)
    np.testing.assert_array_equal(small.params["b"]["kernel"], np.zeros((3, 2)))
    np.testing.assert_array_equal(small.params["b"]["bias"], [1 + 12, 2 + 12])
    empty = pruning.remove_zero_units({"kernel": jnp.zeros((0, 2))}, [""], activation=jax.nn.relu)
    assert empty.params["kernel"].shape == (0, 2)


def test_constants_that_are_not_finite_stay():
    params = two_layers(np.zeros((1, 3)), [0, 1, -1], np.ones((3, 1)), [0])
    assert pruning.remove_zero_units(params, ["a", "b"], activation=jnp.log).units["a"].tolist() == [0, 2]


def test_nan_is_not_zero():
    params = two_layers([[np.nan, 0]], [0, 0], np.ones((2, 1)), [0])
    assert pruning.remove_zero_units(params, ["a", "b"], activation=jax.nn.relu).units["a"].tolist() == [0]


def test_low_precision():
    params = two_layers([[1, 0, 0]], [0, 1, 1], [[1], [0.00390625], [0.00390625]], [1])
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    small = pruning.remove_zero_units(params, ["a", "b"], activation=jax.nn.relu)
    assert {leaf.dtype for leaf in jax.tree.leaves(small.params)} == {jnp.dtype(jnp.bfloat16)}
    # 1 + 1/256 + 1/256 is 1 when it is summed in bfloat16.
    assert float(small.params["b"]["bias"][0]) == 1.0078125


class Images(nn.Module):
    """Convolutions with batch normalization, flattened, and dense layers."""

    features: tuple[int, ...] = (6, 5, 7, 3)

    @nn.compact
    def __call__(self, x):
        for features in self.features[:2]:
            x = nn.Conv(features, (3, 3), padding="VALID")(x)
            x = jax.nn.sigmoid(nn.BatchNorm(use_running_average=True)(x))
        x = nn.max_pool(x, (2, 2), (2, 2)).reshape(len(x), -1)
        x = jax.nn.sigmoid(nn.Dense(self.features[2])(x))
        return nn.Dense(self.features[3])(x)


def test_batch_normalization_between_convolutions(key):
    x = jax.random.normal(key, (3, 8, 8, 4))
    big = Images()
    shapes = jax.eval_shape(big.init, key, x)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.uniform(0.5, 2, leaf.shape).astype(np.float32), shapes)
    params = variables["params"]
    params["Conv_0"]["kernel"][..., [1], :] = 0  # an input channel
    params["Conv_0"]["kernel"][..., [0, 3]] = 0  # units that put out a constant
    params["BatchNorm_0"]["scale"][2] = 0  # and one more, whatever its kernel
    params["BatchNorm_1"]["scale"][[0, 4]] = 0
    params["Dense_0"]["kernel"].reshape(4, 5, 7)[:, 1] = 0  # a channel that leads nowhere, at all its positions
    params["Dense_0"]["kernel"][7] = 0  # and one at one position only
    params["Dense_1"]["kernel"][[5, 6]] = 0
    normalized = [(f"params/Conv_{i}", f"params/BatchNorm_{i}", f"batch_stats/BatchNorm_{i}") for i in range(2)]
    layers = [*normalized, "params/Dense_0", "params/Dense_1"]
    small = pruning.remove_zero_units(variables, layers, activation=ACTIVATIONS["sigmoid"], padding="VALID")
    assert small.inputs.tolist() == [0, 2, 3]
    assert [units.tolist() for units in small.units.values()] == [[1, 4, 5], [2, 3], [0, 1, 2, 3, 4], [0, 1, 2]]
    assert small.params["batch_stats"]["BatchNorm_1"]["var"].shape == (2,)
    got = jax.jit(Images((3, 2, 5, 3)).apply)(small.params, x[..., small.inputs])
    np.testing.assert_allclose(got, jax.jit(big.apply)(variables, x), rtol=3e-6)

    # Where the second convolution pads, constants stay, but for those that nothing sees.
    padded = pruning.remove_zero_units(variables, layers, activation=jax.nn.sigmoid, padding=["VALID", "SAME"] * 2)
    assert padded.units["params/Conv_0"].tolist() == [0, 1, 2, 3, 4, 5]
    assert padded.units["params/Conv_1"].tolist() == [2, 3]
    # sigmoid(-1000) is zero, and zeros are what padding consists of.
    params["BatchNorm_0"]["bias"][2] = -1000
    padded = pruning.remove_zero_units(variables, layers, activation=jax.nn.sigmoid)
    assert padded.units["params/Conv_0"].tolist() == [0, 1, 3, 4, 5]


class Padded(nnx.Module):
    def __init__(self, channels, units, rngs, *, inputs=3):
        self.conv = nnx.Conv(inputs, channels, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(channels, use_running_average=True, rngs=rngs)
        self.mean = nnx.Conv(channels, units, (2, 2), use_bias=False, rngs=rngs)
        self.head = nnx.Linear(units, 2, rngs=rngs)

    def __call__(self, x):
        x = self.mean(jax.nn.relu(self.norm(self.conv(x))))
        return self.head(jax.nn.gelu(x).mean(axis=(1, 2)))


def test_nnx_with_padded_convolutions(key):
    graph, abstract = nnx.split(nnx.eval_shape(lambda: Padded(5, 4, nnx.Rngs(0))))
    leaves, structure = jax.tree.flatten(abstract)
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.5, 2, leaf.shape).astype(np.float32) for leaf in leaves]
    by_path = dict(zip(leaf_paths(abstract), arrays, strict=True))
    by_path["conv/kernel"][..., 2, :] = 0
    by_path["conv/kernel"][..., [0, 3]] = 0
    by_path["norm/bias"][3] = -1000
    by_path["head/kernel"][1] = 0
    state = structure.unflatten(map(jnp.asarray, arrays))
    layers = [("conv", "norm"), "mean", "head"]
    small = pruning.remove_zero_units(state, layers, activation=[jax.nn.relu, jax.nn.gelu])
    assert isinstance(small.params, type(state))
    assert small.inputs.tolist() == [0, 1]
    assert [units.tolist() for units in small.units.values()] == [[0, 1, 2, 4], [0, 2, 3], [0, 1]]
    small_graph, _ = nnx.split(nnx.eval_shape(lambda: Padded(4, 3, nnx.Rngs(0), inputs=2)))
    apply = jax.jit(lambda graph, state, x: nnx.merge(graph, state)(x), static_argnums=0)
    x = jax.random.normal(key, (2, 5, 5, 3))
    got = apply(small_graph, small.params, x[..., small.inputs])
    np.testing.assert_allclose(got, apply(graph, state, x), rtol=3e-6)


PARAMS = two_layers([[1, 0, 2], [0, 0, 0]], [0.5, 2, 0], [[1], [4], [0]], [0])


@pytest.mark.parametrize(
    ("tree", "layers"),
    [
        (PARAMS, ["a", "b"]),
        (freeze(PARAMS), ("a", "b")),
        (list(PARAMS.values()), ["0", "1"]),
        ({"deep": (PARAMS,)}, ["deep/0/a", "deep/0/b"]),
        ({"a": nnx.State(PARAMS["a"]), "b": PARAMS["b"]}, ["a", "b"]),
        ({"a": jax.tree.map(lambda leaf: nn.Partitioned(leaf, (None,)), PARAMS["a"]), "b": PARAMS["b"]}, ["a", "b"]),
    ],
    ids=["dict", "FrozenDict", "list", "nested", "nnx.State", "Partitioned"],
)
def test_trees(tree, layers):
    small = pruning.remove_zero_units(tree, layers, activation=jax.nn.relu)
    assert jax.tree.structure(small.params) == jax.tree.structure(tree)
    leaves = [leaf.tolist() for leaf in jax.tree.leaves(small.params)]
    assert leaves == [[0.5], [[1]], [8], [[1]]]


class MLP(nn.Module):
    features: tuple[int, ...]

    @nn.compact
    def __call__(self, x):
        for features in self.features[:-1]:
            x = jax.nn.gelu(nn.Dense(features)(x))
        return nn.Dense(self.features[-1])(x)


def test_training_goes_on_as_in_the_large_network(key):
    big = MLP((7, 6, 2))
    x, y = jax.random.normal(key, (8, 5)), jnp.arange(16.0).reshape(8, 2)
    shapes = jax.eval_shape(big.init, key, x)["params"]
    params = jax.tree.map(lambda leaf: np.random.default_rng(0).normal(size=leaf.shape).astype(np.float32), shapes)
    params["Dense_0"]["kernel"][3] = 0
    params["Dense_0"]["kernel"][:, [1, 4]] = 0
    params["Dense_0"]["bias"][4] = 1.5
    params["Dense_2"]["kernel"][[0, 5]] = 0
    params = jax.tree.map(jnp.asarray, params)
    tx = optax.chain(optax.clip(1e3), optax.MultiSteps(optax.adam(1e-2), 2))

    def step(model, params, state, x):
        gradients = jax.grad(lambda p: jnp.sum(jnp.square(model.apply({"params": p}, x) - y)))(params)
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, gradients

    step = jax.jit(step, static_argnums=0)
    # The state of a step that is undone: no weight is zero by now.
    _, state, _ = step(big, params, tx.init(params), x)
    small = pruning.remove_zero_units(params, ["Dense_0", "Dense_1", "Dense_2"], activation=jax.nn.gelu)
    assert [len(units) for units in small.units.values()] == [5, 4, 2]
    _, state_after, gradients = step(big, params, state, x)
    got = step(MLP((5, 4, 2)), small.params, small.cut(state), x[:, small.inputs])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), got[2], small.cut(gradients))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5), got[1], small.cut(state_after))
    jax.tree.map(np.testing.assert_array_equal, jax.jit(small.cut)(gradients), small.cut(gradients))


def test_what_is_cut():
    params = {"a": PARAMS["a"], "b": PARAMS["b"], "x": {"a": {"kernel": jnp.ones((2, 3))}}}
    small = pruning.remove_zero_units(params, ["a", "b"], activation=jax.nn.relu)
    tree = {
        "mu": params,
        "norms": {"a": {"kernel": jnp.ones((1, 3)), "bias": None}, "b": {"kernel": optax.MaskedNode()}},
        "placeholders": {"a": {"kernel": jnp.zeros(())}},
        "kernel": jnp.ones((2, 3)),
        "count": 3,
    }
    cut = small.cut(tree)
    assert jax.tree.map(jnp.shape, cut) == {
        "mu": {
            "a": {"kernel": (1, 1), "bias": (1,)},
            "b": {"kernel": (1, 1), "bias": (1,)},
            "x": {"a": {"kernel": (2, 3)}},
        },
        "norms": {"a": {"kernel": (1, 1), "bias": None}, "b": {"kernel": optax.MaskedNode()}},
        "placeholders": {"a": {"kernel": ()}},
        "kernel": (2, 3),
        "count": (),
    }
    for shape in [(3, 3), (2,), (2, 3, 1)]:
        with pytest.raises(
            ValueError, match="`tree` must have leaves of the shapes of the parameters, got .* at 'mu/a/kernel'"
        ):
            small.cut({"mu": {"a": {"kernel": jnp.ones(shape)}}})


@pytest.mark.parametrize(
    "activation",
    [
        jax.nn.softmax,
        lambda x: x / jnp.max(jnp.abs(x), axis=-1, keepdims=True),
        nn.LayerNorm(use_bias=False, use_scale=False).bind({}),
        jax.nn.glu,
        lambda x: x.sum(axis=-1),
    ],
    ids=["softmax", "by the largest", "LayerNorm", "glu", "sum"],
)
def test_activations_that_mix_units_are_refused(activation):
    params = two_layers(np.zeros((1, 4)), np.zeros(4), np.ones((4, 1)), [0])
    with pytest.raises(ValueError, match="`activation` must map every unit by itself, got .* behind 'a'"):
        pruning.remove_zero_units(params, ["a", "b"], activation=activation)


NORM = {name: jnp.ones(3) for name in ("scale", "bias", "mean", "var")}
CHAIN = {"a": {"kernel": jnp.ones((2, 3))}, "b": {"kernel": jnp.ones((4, 2))}}


@pytest.mark.parametrize(
    ("params", "layers", "options", "error", "message"),
    [
        (PARAMS, "a", {}, TypeError, "`layers` must be a sequence of paths, or of tuples of paths, got 'a'"),
        (PARAMS, ["a", 1], {}, TypeError, r"`layers` must be a sequence of paths.*got \['a', 1\]"),
        (PARAMS, [()], {}, TypeError, r"`layers` must be a sequence of paths.*got \[\(\)\]"),
        (PARAMS, [], {}, ValueError, "`layers` must name at least one layer, got none"),
        (PARAMS, ["a", "a"], {}, ValueError, "`layers` must name every layer once, got 'a', 'a'"),
        (
            PARAMS,
            ["a", "c"],
            {},
            ValueError,
            "`layers` must name layers with a kernel, got 'c' for the leaves 'a/bias'",
        ),
        (PARAMS | {"c": NORM}, ["c"], {}, ValueError, "with a kernel, got 'c'"),
        ({"a": PARAMS["a"] | {"lora": 1}}, ["a"], {}, TypeError, "`params` must have an array at 'a/lora', got 1"),
        (
            {"a": PARAMS["a"] | {"lora": jnp.ones(2)}},
            ["a"],
            {},
            ValueError,
            "of a kernel and a bias, got 'bias', 'kernel', 'lora'",
        ),
        (
            {"a": {"kernel": jnp.ones((2, 2), int)}},
            ["a"],
            {},
            TypeError,
            "`params` must have floating kernels, got dtype int",
        ),
        (
            {"a": {"kernel": jnp.ones(2)}},
            ["a"],
            {},
            ValueError,
            r"kernels of shape \[..., in, out\], got \(2,\) in 'a'",
        ),
        (
            {"a": PARAMS["a"] | {"bias": jnp.ones(2)}},
            ["a"],
            {},
            ValueError,
            r"one 'bias' for each of the 3 units of 'a', got shape \(2,\)",
        ),
        (
            PARAMS,
            ["b", "a"],
            {},
            ValueError,
            "order of the network.*'a' must have 1 inputs like the units of 'b', got 2",
        ),
        (
            CHAIN,
            ["a", "b"],
            {},
            ValueError,
            "without branches and grouped convolutions.*3 inputs like the units of 'a', got 4",
        ),
        (
            CHAIN | {"a": {"kernel": jnp.ones((1, 2, 3))}},
            ["a", "b"],
            {},
            ValueError,
            "'b' must have 3 inputs, or a multiple of them, like",
        ),
        (
            PARAMS | {"n": NORM | {"mean": jnp.ones(2)}},
            [("a", "n"), "b"],
            {},
            ValueError,
            "one 'mean' for each of the 3",
        ),
        (
            PARAMS | {"n": {"scale": jnp.ones(3)}},
            [("a", "n"), "b"],
            {},
            ValueError,
            "statistics of its batch normalization .*got 'scale' at 'n'",
        ),
        (
            PARAMS | {"n": NORM | {"x": jnp.ones(3)}},
            [("a", "n"), "b"],
            {},
            ValueError,
            "batch normalization .*got 'bias', 'mean', 'scale', 'var', 'x'",
        ),
        (
            PARAMS | {"n": NORM, "m": NORM},
            [("a", "n", "m"), "b"],
            {},
            ValueError,
            "`layers` must name a single batch normalization",
        ),
        (PARAMS, [("a", "n"), "b"], {}, ValueError, "batch normalization .*got  at 'n'"),
        (
            PARAMS,
            ["a", "b"],
            {"activation": 3},
            TypeError,
            "`activation` must be a function or a sequence of functions, got 3",
        ),
        (PARAMS, ["a", "b"], {"activation": [3]}, TypeError, "`activation` must be a function"),
        (
            PARAMS,
            ["a", "b"],
            {"activation": [jnp.tanh] * 2},
            ValueError,
            "`activation` must have a function for each of 1 hidden layers, got 2",
        ),
        (PARAMS, ["a"], {"activation": None}, TypeError, "`activation` must be a function"),
        (PARAMS, ["a", "b"], {"padding": "FULL"}, ValueError, "`padding` must be one of 'SAME', 'VALID', got 'FULL'"),
        (
            PARAMS,
            ["a", "b"],
            {"padding": ["SAME"]},
            ValueError,
            "`padding` must be one word or have one for each of 2 layers, got 1",
        ),
        (PARAMS, ["a", "b"], {"epsilon": 0.0}, ValueError, "`epsilon` must be finite and > 0"),
        (PARAMS, ["a", "b"], {"remove_inputs": 1}, TypeError, "`remove_inputs` must be True or False, got 1"),
        (
            {"a/b": {"kernel": jnp.ones((1, 1))}, "a": {"b": {"kernel": jnp.ones((1, 1))}}},
            ["a/b"],
            {},
            ValueError,
            "`params` must have leaves with different paths",
        ),
    ],
)
def test_bad_arguments_are_refused(params, layers, options, error, message):
    with pytest.raises(error, match=message):
        pruning.remove_zero_units(params, layers, **{"activation": jax.nn.relu} | options)


def test_traced_arrays_are_refused():
    with pytest.raises(
        TypeError, match="`params` must be concrete, so call this outside of `jit`, got a traced array at 'a/bias'"
    ):
        jax.jit(lambda params: pruning.remove_zero_units(params, ["a", "b"], activation=jax.nn.relu).params)(PARAMS)
    with pytest.raises(TypeError, match="`params` must have an array at 'a/bias', got ShapeDtypeStruct"):
        pruning.remove_zero_units(jax.eval_shape(lambda: PARAMS), ["a", "b"], activation=jax.nn.relu)
