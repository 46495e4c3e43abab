"""What a careless caller may pass: for each kind of parameter, values that must be refused."""

import datetime as dt

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from tests.hostile.calls import Call

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
_WORD = st.one_of(st.text(max_size=5), _from(None, 1, True, 0.5, np.ones(2), jnp.ones(2), [], {}, object()))
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
_MASK = _from(0, 3, 0.5, np.bool_(True), jnp.array(True), object(), (3,), {"kernel": 1}, {1, 2}, jnp.ones(2))
_LEAF = _from(
    jnp.ones(2, jnp.complex64),
    1j,
    np.complex64(1),
    jax.ShapeDtypeStruct((4, 3), jnp.float32),
    np.ones(2, np.complex128),
)
_TREE = st.one_of(
    _LEAF,
    st.fixed_dictionaries({"a": st.just(np.float32(1)), "bad": _LEAF}),
    st.lists(_LEAF, min_size=1, max_size=3),
)
_COMPANION = _from(0.5, "word", {}, [], {"other": 1.0}, (jnp.ones(3),), jnp.ones(2))
_RULES = _from(None, 3, {}, [], "kernel", {"kernel": 3}, {"kernel": "l1"}, {3: None}, {"": object()}, jnp.ones(2))
_PATTERN = _from(None, 3, True, b"kernel", (), jnp.ones(2), object())

# Whatever a parameter is called that has no kind yet: it may be accepted, or refused.
ANYTHING = st.one_of(_NOT_NUMBERS, _VECTORS, _NAN, _INFINITE, _FLOATS, _UNREPRESENTABLE, _KEY, _MASK)

_KINDS = {
    _STRENGTH: "alpha delta entropy_strength eps eps_root epsilon gamma a group l1 l2 learning_rate min_delta stddev"
    " step_size strength target_norm temperature weight_decay weight_strength",
    _BOUND: "bound maximum minimum",
    _NUMBER: "baseline lower upper",
    st.one_of(_NUMBER, _INFINITE): "rate_logit",
    _RATE: "b1 b2 decay label_smoothing magnitude max_rate momentum prob rate time_ratio",
    _COUNT: "batch_size bits block_size chunk_size max_frequency max_time n num_classes num_features"
    " num_frequency_masks num_iterations num_layers num_masks num_operations num_projections num_samples num_steps"
    " num_time_masks patience stacked_axes warmup",
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
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
# Names that mean something else in one place.
_EXCEPTIONS = {
    "regularizers.l2_sp.anchor": st.none(),
    "stochastic.drop_block.block_size": _COUNT.filter(lambda value: not isinstance(value, list)),
    # Checked where the parameters are known.
    "transforms.decoupled_weight_decay.anchor": None,
    "transforms.proximal_step.metric": None,
    "sensitivity.jacobian_penalty.chunk_size": _COUNT.filter(lambda value: value is not None),
    "losses.label_noise.labels": _INTEGERS,
    "losses.softmax_cross_entropy.labels": st.one_of(_NOT_ARRAYS, _UNREPRESENTABLE, _from(None, {}, 1j, True)),
}
_X = {"augment": _BATCH, "sensitivity": _FLOATING, "stochastic": _FLOATING}


def refused(call: Call, name: str):
    """Returns what `call` must refuse for a parameter, or None where nothing is known of that."""
    room, default = call.name.split(".")[0], call.parameters[name].default
    if name == "tree" and room in {"diagnostics", "masks"}:
        return None  # what has no values passes by
    kind = _X.get(room) if name == "x" else _EXCEPTIONS.get(f"{call.name}.{name}", _KIND_OF.get(name))
    if kind is None:
        return None
    if default is None:
        kind = kind.filter(lambda value: value is not None)
    if room in {"regularizers", "constraints"} and name == "axis":
        kind = _AXIS_KIND  # there is no array yet
    if kind in (_STRENGTH, _BOUND, _RATE, _NUMBER) and room in {"penalties", "prox", "projections", "stochastic"}:
        kind = st.one_of(kind, _VECTORS)
    return kind
