"""What a careless caller may pass: for each kind of parameter, values that must be refused."""

import datetime as dt

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from tests.hostile.calls import Call
from tests.hostile.layers import Layer

_HUGE = 10**400


def _from(*values):
    return st.sampled_from(values)


_NOT_ARRAYS = _from(
    "word",
    b"bytes",
    object(),
    {1, 2},
    dt.date(2020, 1, 1),
    np.array("word"),
    jax.ShapeDtypeStruct((4, 3), jnp.float32),
)
_UNREPRESENTABLE = _from(2**70, _HUGE, [[1.0, 2.0], [3.0]])
_NOT_REAL = _from(1j, np.complex64(1j), jnp.complex64(1j), True, np.bool_(False), jnp.array(True))
_NOT_NUMBERS = st.one_of(
    st.none(), _NOT_ARRAYS, _NOT_REAL, _from("0.5", {}, {"a": 1.0}, _HUGE, jax.random.key(0), np.array([None, 1]))
)
_VECTORS = _from(np.full(3, 0.5), jnp.full(3, 0.5), jnp.zeros((0,)), jnp.full((1, 1), 0.5))
_NAN = _from(float("nan"), np.float32("nan"), np.float16("nan"), np.asarray(np.nan, jnp.bfloat16)[()])
_INFINITE = _from(float("inf"), np.float32("inf"), -float("inf"))
_NEGATIVE = st.one_of(st.floats(max_value=0, exclude_max=True), st.integers(-(2**60), -1), _from(np.float16(-1)))
_ABOVE_ONE = st.one_of(st.floats(1, exclude_min=True), st.integers(2, 2**60), _from(np.float32(1.5)))
_FLOATS = st.one_of(st.floats(), st.floats(width=16).map(np.float16))

_NUMBER = st.one_of(_NOT_NUMBERS, _NAN)
_STRENGTH = st.one_of(_NUMBER, _NEGATIVE, _INFINITE)
_BOUND = st.one_of(_NUMBER, _NEGATIVE)
_RATE = st.one_of(_NUMBER, _NEGATIVE, _ABOVE_ONE)
_COUNT = st.one_of(_NOT_NUMBERS, _FLOATS, _from(-1, np.int32(-7), _HUGE, 2**31, [3], jnp.arange(3)))
_FLAG = st.one_of(_from("yes", None, 1, 0.0, np.bool_(True), jnp.array(True), jnp.ones(2), np.ones(2), [], object()))
# Drawn text could be one of the words.
_WORD = st.one_of(
    st.text(max_size=5).map("no word {}".format),
    _from(""),
    _from(None, 1, True, 0.5, np.ones(2), jnp.ones(2), [], {}, object()),
)
_KEY = st.one_of(
    _from(None, 0, 1.5, "key", b"key", object(), [0, 0], (0, 0), jnp.zeros(2), jnp.zeros(2, jnp.int32)),
    _from(np.zeros(2, np.uint8), np.array("key"), np.zeros(3, np.uint32), jnp.zeros((), jnp.uint32)),
    _from(jnp.zeros(1, jnp.uint32), jnp.zeros((2, 2), jnp.uint32), jnp.zeros((0, 2), jnp.uint32)),
    _from(jax.random.split(jax.random.key(0), 2), jax.random.key(0)[None]),
    # The data of a key of another implementation than the default one.
    _from(jax.random.key_data(jax.random.key(0, impl="rbg"))),
)
_FLOATING = st.one_of(
    _NOT_ARRAYS, _UNREPRESENTABLE, _NOT_REAL, _from(None, {}, {"a": 1.0}, 3, jnp.arange(3), jax.random.key(0))
)
_BATCH = st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, 3.0, jnp.float32(3)))
_INTEGERS = st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, 1.5, 1j, jnp.ones(2), True, jnp.complex64(1)))
_BOOLEANS = st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from({}, 1, 0.5, jnp.ones(3), np.ones((9, 9, 9), bool)))
_AXIS_KIND = st.one_of(_FLOATS, _NOT_ARRAYS, _from(True, (True,), (0.0,), ("0",), "0", 1j, {}, (None,), np.ones(2)))
_AXIS = st.one_of(_AXIS_KIND, st.integers(5, 2**40), st.integers(-(2**40), -6), _from((0, 0), (7,), _HUGE, (1, 99)))
_FUNCTION = st.one_of(_NOT_ARRAYS, _from(None, 3, 0.5, (), jnp.ones(2)))
_FUNCTIONS = st.one_of(_from(None, 3, 0.5, (), [], object(), (3,), [None], jnp.ones(2)))
_VALUE = st.one_of(_NOT_ARRAYS, _from(None, 3, 0.5, (), {}, lambda x: x, jnp.ones(2)))
_VALUE_OR_OPTIMIZER = _from(None, 3, "word", object(), len, jnp.ones(2), {})
_MASK = _from(0, 3, 0.5, np.bool_(True), jnp.array(True), object(), (3,), {"kernel": 1}, {1, 2}, jnp.ones(2))
_LEAF = _from(
    jnp.ones(2, jnp.complex64),
    1j,
    np.complex64(1),
    jax.ShapeDtypeStruct((4, 3), jnp.float32),
    np.ones(2, np.complex128),
)
_TEXT = _from("params", b"params")
_TREE = st.one_of(
    _LEAF,
    _TEXT,
    st.fixed_dictionaries({"a": st.just(np.float32(1)), "bad": _LEAF}),
    st.lists(_LEAF, min_size=1, max_size=3),
)
_COMPANION = _from(0.5, "word", {}, [], {"other": 1.0}, (jnp.ones(3),), jnp.ones(2))
_RULES = _from(None, 3, {}, [], "kernel", {"kernel": 3}, {"kernel": "l1"}, {3: None}, {"": object()}, jnp.ones(2))
_PATTERN = _from(None, 3, True, b"kernel", (), jnp.ones(2), object())

_PAIR = _from(
    "word", b"b", object(), None, {}, {"a": 1.0}, _HUGE, np.array("word"), (1,), (1, 2, 3), ("a", 1.0), jnp.ones(3)
)
_RANGE = st.one_of(_PAIR, _NAN, _NOT_REAL, _from(jax.random.key(0), jax.ShapeDtypeStruct((2,), jnp.float32), {1, 2}))
_WIDTHS = _from("word", 1.5, True, -1, (1,), (1, 2, 3), object(), {}, jnp.ones(2), _HUGE, (1.5, 2), np.ones(2))
_FILL = _from(
    "words", b"b", object(), 1j, np.complex64(1), {"q": 1.0}, jax.random.key(0), None, _HUGE, [[1.0], [2.0, 3.0]]
)
_NAME_OF_AXIS = _from(3, 1.5, b"x", object(), ["a"], True, jnp.ones(2), "not bound", ("not", "bound"), {})
_DTYPE = _from("word", 3, 1.5, object(), {}, jnp.ones(2), int, bool, "int32", complex, (1,))
_SEED = st.one_of(_FLOATS, _from(-1, "2", None, True, object(), jnp.array(2), [2], 1j))
_STREAM = _from(3, 1.5, b"dropout", None, [], ("dropout",), object(), {})
_SWITCH = _from("yes", 1, 0.0, [], object(), jnp.ones(2), jnp.array(1), jnp.zeros(2, bool), np.ones(2), np.array(1))
_STREAMS = st.one_of(_KEY, _from({"dropout": jax.random.key(0)}))
_MODULE = _from(None, 3, 0.5, "word", object(), (), {}, jnp.ones(2))
_LABELS = st.one_of(
    _NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, 1j, jnp.complex64(1), jax.random.key(0), jnp.ones(7))
)

_KINDS = {
    _STRENGTH: "alpha delta entropy_strength eps eps_root epsilon gamma a group l1 l2 learning_rate min_delta stddev"
    " step_size strength target_norm temperature weight_decay weight_strength",
    _BOUND: "bound maximum minimum",
    _NUMBER: "baseline lower upper",
    st.one_of(_NUMBER, _INFINITE): "rate_logit",
    _RATE: "b1 b2 decay label_smoothing magnitude max_rate momentum prob rate time_ratio",
    _COUNT: "batch_size bits block_size chunk_size max_frequency max_time n num_classes num_features"
    " num_frequency_masks num_iterations num_layers num_masks num_operations num_projections num_samples num_steps"
    " num_time_masks patience stacked_axes virtual_batch_size warmup",
    _FLAG: "accelerated amsgrad cautious couple_channels eps_in_sqrt from_logits has_aux keep_best nesterov one_sided"
    " per_example recompute relative remove_inputs sequential size_scaling",
    _WORD: "mode nan normalize",
    _KEY: "key",
    _FLOATING: "direction embedding logits logits_p logits_q probabilities residual",
    _INTEGERS: "tokens",
    _BOOLEANS: "where",
    _AXIS: "axis broadcast_dims",
    _FUNCTION: "fn residual_fn",
    _FUNCTIONS: "fns projections",
    _VALUE: "constraint constraints optimizer regularizer stopping",
    _MASK: "first mask others",
    _PATTERN: "patterns",
    _TREE: "tree",
    _COMPANION: "anchor gradients metric",
    _RULES: "rules",
    _RANGE: "area aspect clip rotation scale shear shift",
    _WIDTHS: "padding size",
    _FILL: "fill",
    _NAME_OF_AXIS: "axis_name",
    _DTYPE: "mu_dtype",
    _SEED: "seed",
    _LABELS: "labels",
    st.one_of(_NUMBER, _NEGATIVE): "threshold",
    st.one_of(_COUNT, _from(-1)): "step",
    _from("x", None, 1, True, [], {}, object(), jnp.ones(2)): "interpolation",
    st.one_of(_FUNCTIONS, _from("word", jnp.tanh(1.0))): "activation",
    _from(None, 3, "word", (), [], object(), [3], jnp.ones(2), ["nothing"], [("a", "nothing")], [()], {}): "layers",
    st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from({}, 1.5, jnp.ones(2), True, jnp.ones((2, 2), int))): "lengths",
    _from("word", None, 1.5, True, 1j, object(), _HUGE, jnp.ones(2, int), jnp.ones(()), {}): "mask_token",
    _from((), [], "rotate", 3, object(), [3], ["nothing"], [None], jnp.ones(2), {}): "operations",
    _VALUE_OR_OPTIMIZER: "rule_or_transform",
    st.one_of(
        _NAN, _from("word", object(), (-1, 1), (0, 0), ("a", "b"), [[1.0], [2.0, 3.0]], jnp.ones((2, 2)))
    ): "weights",
    st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(1j, True, 1.5, 3, jnp.ones(7), jnp.ones(4, jnp.complex64))): "y",
    _TEXT: "params",
    # What layers have besides.
    _STREAM: "rng_collection",
    _SWITCH: "deterministic use_running_average",
    _STREAMS: "rng rngs",
    _MODULE: "layer",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
# Names that mean something else in one place.
_ELSEWHERE = {
    "diagnostics.group_sparsity.tree": _TEXT,
    "diagnostics.norms.tree": _TEXT,
    "diagnostics.sparsity.tree": _TEXT,
    "losses.label_noise.labels": _INTEGERS,
    "losses.softmax_cross_entropy.labels": st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, 1j, True)),
    "masks.first_match.masks": _MASK,
    "masks.resolve.tree": st.one_of(_TEXT, _LEAF.filter(lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))),
    "masks.select.tree": _TEXT,
    "pruning.remove_zero_units.padding": _from(3, "nothing", object(), [3], {"a": 3}, jnp.ones(2)),
    "regularizers.l2_sp.anchor": st.none(),
    "sensitivity.jacobian_penalty.chunk_size": _COUNT.filter(lambda value: value is not None),
    "stochastic.drop_block.block_size": _COUNT.filter(lambda value: not isinstance(value, list)),
    "stochastic.masksembles.masks": st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, jnp.ones((2, 8)))),
    "stochastic.masksembles_masks.scale": st.one_of(_NUMBER, _INFINITE, _NEGATIVE, _from(0.5)),
    "transforms.apply_updates_stochastic_rounding.updates": _COMPANION,
}
_X = {"augment": _BATCH, "sensitivity": _FLOATING, "stochastic": _FLOATING}

# The parameters of which nothing is known to be wrong at the call, and why.
WITHOUT_KIND = {
    "diagnostics.scalars.updates": "its norm is taken, whatever it is",
    "transforms.decoupled_weight_decay.anchor": "checked where the parameters are known, in the update",
    "transforms.proximal_step.metric": "checked where the parameters are known, in the update",
    "uncertainty.mc_classify.args": "what the function of the user takes",
    "uncertainty.mc_regress.args": "what the function of the user takes",
    "uncertainty.mc_samples.args": "what the function of the user takes",
}


def refused(call: Call, name: str):
    """Returns what `call` must refuse for a parameter, or None where :data:`WITHOUT_KIND` says why nothing is."""
    room, default = call.name.split(".")[0], call.parameters[name].default
    if f"{call.name}.{name}" in WITHOUT_KIND:
        return None
    kind = _X[room] if name == "x" else _ELSEWHERE.get(f"{call.name}.{name}", _KIND_OF.get(name))
    assert kind is not None, f"{call.name}.{name} has no kind in _KINDS, and no reason in WITHOUT_KIND"
    if default is None:
        kind = kind.filter(lambda value: value is not None)
    if room in {"regularizers", "constraints"} and name == "axis":
        kind = _AXIS_KIND  # there is no array yet
    if kind in (_STRENGTH, _BOUND, _RATE, _NUMBER) and room in {"penalties", "prox", "projections", "stochastic"}:
        kind = st.one_of(kind, _VECTORS)
    return kind


_OF_FLAX = ("axis_index_groups", "bias_init", "dtype", "force_float32_reductions", "param_dtype", "scale_init")
_OF_FLAX = (*_OF_FLAX, "use_bias", "use_scale")
_OF_LAYERS = {
    "axis": st.one_of(_AXIS, _from(0, (0, 1))),
    "epsilon": st.one_of(_STRENGTH, _VECTORS),
    "init_rate": st.one_of(_RATE, _VECTORS, _from(0.0, 1.0)),
    "inputs": _FLOATING,
    "mask": st.one_of(_MASK, _from("nothing")),
    "momentum": st.one_of(_RATE, _VECTORS),
    "rate": st.one_of(_RATE, _VECTORS, _from(len)),
    "residual": _FUNCTION,
    "scale": _ELSEWHERE["stochastic.masksembles_masks.scale"],
    "stddev": st.one_of(_STRENGTH, _VECTORS, _from(len)),
    "temperature": st.one_of(_STRENGTH, _VECTORS, _from(0.0)),
    "use_fast_variance": _FLAG,
    "x": _FLOATING,
}
_OF_ONE_LAYER = {
    ("DropBlock", "block_size"): _ELSEWHERE["stochastic.drop_block.block_size"],
    ("EmbeddingDropout", "inputs"): _INTEGERS,
    ("GhostBatchNorm", "mask"): st.one_of(_NOT_ARRAYS, _from({}, 0.5, 1j, jnp.ones(3), np.ones((9, 9, 9), bool))),
    ("Masksembles", "inputs"): st.one_of(_FLOATING, _from(0.5, jnp.ones(3), jnp.ones((3, 0)))),
}

# The parameters of layers of which nothing is refused, and why.
LAYERS_WITHOUT_KIND = {
    **{f"linen.GhostBatchNorm.{name}": "a field of Flax's own layer, which Flax uses" for name in _OF_FLAX},
    "linen.*.name": "every module of Linen has it",
    "linen.*.parent": "every module of Linen has it",
}


def refused_by_layer(name: str, layer: Layer, parameter: str):
    """Returns what a layer must refuse, or None where :data:`LAYERS_WITHOUT_KIND` says why nothing is."""
    if {f"{name}.{parameter}", f"{layer.room}.*.{parameter}"} & set(LAYERS_WITHOUT_KIND):
        return None
    known = _OF_LAYERS.get(parameter, _KIND_OF.get(parameter))
    kind = _OF_ONE_LAYER.get((layer.made.__name__, parameter), known)
    assert kind is not None, f"{name}.{parameter} has no kind, and no reason in LAYERS_WITHOUT_KIND"
    return kind
