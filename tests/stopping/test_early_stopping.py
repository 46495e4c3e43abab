"""Early stopping against its definition, step by step in Python, and against the stopping indices of Keras 3."""

import functools
import itertools
import math
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.training.early_stopping import EarlyStopping as FlaxEarlyStopping

from regjax import stopping
from regjax.stopping import EarlyStopping, early_stopping

pytestmark = pytest.mark.usefixtures("strict_promotion")
NAN, INF = math.nan, math.inf


def run(rule: EarlyStopping, metrics):
    """The states after each metric, in one compiled scan."""

    @jax.jit
    def all_states(metrics):
        def step(state, metric):
            state = rule.update(state, metric)
            return state, state

        return jax.lax.scan(step, rule.init(), metrics)[1]

    return all_states(jnp.asarray(metrics, jnp.float32))


def stopped_at(states):
    """The 0-based index of the update that stopped, or None."""
    stops = np.flatnonzero(states.should_stop)
    return int(stops[0]) if stops.size else None


def defined(metrics, *, patience, min_delta, relative, mode, warmup, baseline, nan):
    """The definition, in plain Python: index of the stop, best metric and its index."""
    best, best_step, wait = None, -1, 0

    def passes(metric, reference):
        delta = np.float32(min_delta)
        if relative:
            delta = np.float32(delta * abs(reference))
        return metric + delta < reference if mode == "min" else metric - delta > reference

    for step, metric in enumerate(np.asarray(metrics, np.float32)):
        if np.isnan(metric) and nan == "stop":
            return step, best, best_step
        if step < warmup or (np.isnan(metric) and nan == "skip"):
            continue
        wait += 1
        if not np.isnan(metric) and (best is None or passes(metric, best)):
            best, best_step = metric, step
            if baseline is None or passes(metric, np.float32(baseline)):
                wait = 0
        elif wait >= patience and step > 0:
            return step, best, best_step
    return None, best, best_step


@pytest.mark.parametrize(("patience", "index"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_a_flat_metric_stops_where_keras_does(patience, index):
    states = run(early_stopping(patience=patience), np.ones(8))
    assert stopped_at(states) == index
    # Frozen from then on.
    assert int(states.step[-1]) == index + 1
    assert int(states.wait[-1]) == index


# Measured with Keras 3.15.1: the epoch at which `keras.callbacks.EarlyStopping` stops, or None.
KERAS = [
    ([5, 4, 3, 2, 1], {"patience": 1}, None),
    ([5, 4, 4, 4, 4], {"patience": 2}, 3),
    ([5, 4, 3.95, 3.9, 3.85], {"patience": 2, "min_delta": 0.2}, 3),
    ([1, 2, 3, 3, 3], {"patience": 1, "mode": "max"}, 3),
    ([5, 6, 7, 4, 8, 9], {"patience": 2, "warmup": 2}, 5),
    ([5, 4, 3, 2, 1], {"patience": 2, "baseline": 1.5}, None),
    ([5, 4, 3, 3.5, 1], {"patience": 2, "baseline": 1.5}, 3),
    ([5, 4, 1, 2, 0.5, 3, 3], {"patience": 3, "baseline": 1.5}, None),
    ([1, 4, 3, 2, 1], {"patience": 3, "baseline": 1.5}, 3),
    ([1, 1, 1], {"patience": 0, "warmup": 1}, 2),
    ([3, NAN, NAN, 2], {"patience": 2}, 2),
    ([INF, INF, 3, 3], {"patience": 2}, None),
]


@pytest.mark.parametrize(("metrics", "options", "index"), KERAS, ids=map(str, range(len(KERAS))))
def test_stops_where_keras_stops(metrics, options, index):
    assert stopped_at(run(early_stopping(**options), metrics)) == index


def test_a_nan_at_the_start_is_improved_upon_as_it_is_not_in_keras():
    states = run(early_stopping(patience=2), [NAN, 3.0, 2.0, 1.0])
    assert stopped_at(states) is None
    assert float(states.best_metric[-1]) == 1.0 and int(states.best_step[-1]) == 3


# NaN is dealt with before anything is compared, so that not every way of the one has to meet every way of the other.
@pytest.mark.parametrize(
    ("mode", "relative", "with_baseline", "nan"),
    [
        *((*kind, baseline, "wait") for kind in (("min", False), ("min", True), ("max", True)) for baseline in (0, 1)),
        *(("min", False, True, nan) for nan in ("stop", "skip")),
        *(("max", True, False, nan) for nan in ("stop", "skip")),
    ],
)
def test_equals_the_definition(mode, relative, nan, with_baseline):
    """Many sequences and settings at once: every number of the rule may be traced, and mapped over."""
    draw = np.random.default_rng(0)
    # On a grid, so that ties are common, around zero, so that the best metric changes its sign.
    metrics = draw.integers(-4, 5, (60, 12)).astype(np.float32) / 4
    metrics[draw.random(metrics.shape) < 0.1] = NAN
    settings = [
        (patience, delta, warmup, baseline)
        for patience, delta, warmup, baseline in itertools.product((0, 1, 3), (0.0, 0.25), (0, 2), (-0.25, 0.5))
    ]
    chosen = [settings[i] for i in draw.integers(0, len(settings), len(metrics))]

    @jax.jit
    @jax.vmap
    def ours(metrics, patience, delta, warmup, baseline):
        rule = early_stopping(
            patience=patience,
            min_delta=delta,
            relative=relative,
            mode=mode,
            warmup=warmup,
            baseline=baseline if with_baseline else None,
            nan=nan,
        )
        states = jax.lax.scan(lambda s, m: (rule.update(s, m),) * 2, rule.init(), metrics)[1]
        return jax.tree.map(lambda leaf: leaf[-1], states)

    columns = [np.asarray(column) for column in zip(*chosen, strict=True)]
    columns = [jnp.asarray(c, jnp.int32 if c.dtype.kind == "i" else jnp.float32) for c in columns]
    last = ours(jnp.asarray(metrics), *columns)
    stops = 0
    for lane, (row, (patience, delta, warmup, baseline)) in enumerate(zip(metrics, chosen, strict=True)):
        index, best, best_step = defined(
            row,
            patience=patience,
            min_delta=delta,
            relative=relative,
            mode=mode,
            warmup=warmup,
            baseline=baseline if with_baseline else None,
            nan=nan,
        )
        assert bool(last.should_stop[lane]) == (index is not None)
        assert int(last.step[lane]) == (len(row) if index is None else index + 1)
        assert int(last.best_step[lane]) == best_step
        if best is not None:
            assert float(last.best_metric[lane]) == best
        stops += index is not None
    assert stops > 5


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_flax_is_one_update_later(patience):
    """The README says so; Flax has no `mode` and is poisoned by NaN."""
    metrics = np.random.default_rng(0).integers(0, 6, (20, 12)).astype(float)
    rule = early_stopping(patience=patience + 1)
    ours = jax.jit(jax.vmap(lambda row: jax.lax.scan(lambda s, m: (rule.update(s, m), None), rule.init(), row)[0]))
    states = ours(jnp.asarray(metrics, jnp.float32))
    for lane, row in enumerate(metrics):
        theirs, steps = FlaxEarlyStopping(patience=patience), 0
        for metric in row:
            theirs, steps = theirs.update(metric), steps + 1
            if theirs.should_stop:
                break
        assert (bool(states.should_stop[lane]), int(states.step[lane])) == (theirs.should_stop, steps)


def test_has_improved_tells_of_the_last_update_only():
    states = run(early_stopping(patience=2), [3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.0])
    assert states.has_improved.tolist() == [True, True, False, True, False, False, False]
    assert float(states.best_metric[-1]) == 1.0  # what comes after the stop does not count


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_keeps_the_parameters_that_gave_the_best_metric(dtype):
    init, update = early_stopping(patience=2, keep_best=True)
    tree = {"w": jnp.zeros((2, 3), dtype), "n": jnp.int32(0), "none": None}
    state = init(tree)
    chex.assert_trees_all_equal(state.best_params["w"], tree["w"])
    update = jax.jit(update)
    for step, metric in enumerate([3.0, 1.0, 2.0, NAN, 0.0]):
        new = {"w": jnp.full((2, 3), step + 1, dtype), "n": jnp.int32(step + 1), "none": None}
        state = update(state, metric, new)
    assert bool(state.should_stop) and int(state.step) == 4
    assert state.best_params["w"].dtype == dtype
    np.testing.assert_array_equal(state.best_params["w"], 2)
    assert int(state.best_params["n"]) == 2 and int(state.best_step) == 1


def test_without_a_metric_that_counts_the_first_parameters_are_the_best():
    init, update = early_stopping(patience=1, keep_best=True)
    state = update(update(init(jnp.float32(7.0)), NAN, jnp.float32(1.0)), NAN, jnp.float32(2.0))
    assert bool(state.should_stop) and float(state.best_params) == 7.0 and int(state.best_step) == -1


def test_lanes_of_a_while_loop_stop_by_themselves():
    rule = early_stopping(patience=2, keep_best=True)

    def train(start):
        def step(carry):
            w, state = carry
            return w - 1.0, rule.update(state, jnp.abs(w), w)

        return jax.lax.while_loop(lambda carry: ~carry[1].should_stop, step, (start, rule.init(start)))[1]

    starts = jnp.array([0.0, 3.0, 7.5])
    state = jax.jit(jax.vmap(train))(starts)
    np.testing.assert_array_equal(state.best_params, [0.0, 0.0, 0.5])  # |0.5| and |-0.5| tie: the first stays
    np.testing.assert_array_equal(state.best_step, [0, 3, 7])
    np.testing.assert_array_equal(state.step, state.best_step + 3)
    for lane, start in enumerate(starts):
        alone = jax.jit(train)(start)
        chex.assert_trees_all_equal(alone, jax.tree.map(lambda leaf, i=lane: leaf[i], state))


def test_one_compilation_serves_a_training():
    init, update = early_stopping(patience=2, baseline=1.0, warmup=1, min_delta=0.1, keep_best=True)
    update = jax.jit(chex.assert_max_traces(update, n=1))
    state = init(jnp.zeros(2))
    before = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state)
    for metric in (1.0, 2.0, NAN):
        state = update(state, jnp.float32(metric), jnp.ones(2))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == before
    assert isinstance(state, stopping.EarlyStoppingState)


def test_metrics_of_any_real_kind():
    init, update = early_stopping(patience=1, mode="max")
    state = init()
    for metric in (1, np.float64(1.5), jnp.bfloat16(2.0), np.int64(3), jnp.int32(4), 5.0):
        state = update(state, metric)
        assert float(state.best_metric) == float(metric) and bool(state.has_improved)


def test_double_precision_where_it_is_on(enable_x64):
    init, update = early_stopping(patience=1)
    state = update(update(init(), 1.0), 1.0 - 1e-12)
    assert state.best_metric.dtype == jnp.float64 and bool(state.has_improved)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": -1}, ValueError, "`patience` must be >= 0, got -1"),
        ({"patience": 1.5}, TypeError, "`patience` must be a Python integer, got 1.5"),
        ({"patience": jnp.float32(1)}, TypeError, "`patience` must be an integer, got an array of dtype float32"),
        ({"patience": jnp.arange(2)}, ValueError, "`patience` must be a scalar, got shape (2,)"),
        ({"warmup": -1}, ValueError, "`warmup` must be >= 0, got -1"),
        ({"min_delta": -0.1}, ValueError, "`min_delta` must be finite and >= 0, got -0.1"),
        ({"mode": "auto"}, ValueError, "`mode` must be one of 'min', 'max', got 'auto'"),
        ({"nan": "raise"}, ValueError, "`nan` must be one of 'wait', 'stop', 'skip', got 'raise'"),
        ({"relative": 1}, TypeError, "`relative` must be True or False, got 1"),
        ({"keep_best": None}, TypeError, "`keep_best` must be True or False, got None"),
        ({"baseline": NAN}, ValueError, "`baseline` must be a number, got nan"),
    ],
    ids=str,
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        early_stopping(**{"patience": 1} | options)


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        (None, TypeError, "`metric` must be a number or a scalar array, got None"),
        (True, TypeError, "`metric` must be a number or a scalar array, got True"),
        (1j, TypeError, "`metric` must be a number or a scalar array"),
        (jnp.complex64(1), TypeError, "`metric` must be a real number, got an array of dtype complex64"),
        (jnp.ones(3), ValueError, r"`metric` must be a scalar, got shape \(3,\)"),
    ],
    ids=str,
)
def test_bad_metrics(metric, error, message):
    init, update = early_stopping(patience=1)
    with pytest.raises(error, match=message):
        update(init(), metric)


def test_parameters_to_keep_have_to_be_given_and_to_fit():
    init, update = early_stopping(patience=1, keep_best=True)
    with pytest.raises(ValueError, match="`params` must be given to `init` where `keep_best` is True, got None"):
        init()
    state = init({"w": jnp.zeros(2)})
    with pytest.raises(ValueError, match="`params` must be given to `update` where `keep_best` is True, got None"):
        update(state, 1.0)
    with pytest.raises(ValueError, match="`params` must have the structure of `best_params`, got a leaf at 'v'"):
        update(state, 1.0, {"v": jnp.zeros(2)})
    with pytest.raises(ValueError, match="got a leaf at 'a/v' and 1 more"):
        update(state, 1.0, {"a": {"v": jnp.zeros(2), "w": jnp.zeros(2)}, "w": jnp.zeros(2)})
    with pytest.raises(ValueError, match="got no leaf at 'w'"):
        update(state, 1.0, {})
    other = early_stopping(patience=1, keep_best=True).init([jnp.zeros(2)])
    with pytest.raises(ValueError, match="got nodes of other types"):
        update(other, 1.0, (jnp.zeros(2),))
    with pytest.raises(ValueError, match=r"got float32\[3\] for float32\[2\]"):
        update(state, 1.0, {"w": jnp.zeros(3)})
    with pytest.raises(ValueError, match=r"got bfloat16\[2\] for float32\[2\]"):
        update(state, 1.0, {"w": jnp.zeros(2, jnp.bfloat16)})


def test_the_parameters_to_keep_may_be_donated():
    rule = early_stopping(patience=2, keep_best=True)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state):
        return params + 1, rule.update(state, 1.0, params)

    params = jnp.zeros(3)
    params, state = step(params, rule.init(params))
    params, state = step(params, state)
    np.testing.assert_array_equal(state.best_params, 0)


def test_counts_of_any_integer_dtype():
    init, update = early_stopping(patience=jnp.uint32(2), warmup=jnp.int8(1))
    state = init()
    for _ in range(4):
        state = update(state, 1.0)
    assert bool(state.should_stop) and int(state.step) == 4
