"""Descriptions of whole chains: what is seen inside wrappers, as data and in print."""

import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from regjax import constraints, diagnostics, regularizers, stopping, transforms

PARAMS = {"dense": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}}
KERNEL_ONLY = {"dense": {"kernel": True, "bias": False}}
L1 = regularizers.group_lasso(0.1, axis=1, mask="**/kernel")


def order(tx, params=PARAMS):
    return [step.transform for step in diagnostics.describe(tx, params).order]


def chain(rate=0.1):
    return optax.chain(
        optax.clip(1.0),
        optax.sgd(rate, momentum=0.9),
        transforms.decoupled_weight_decay(0.01, rate, mask="**/kernel"),
        transforms.proximal_step(L1, rate),
    )


SEEN = ["clip", "trace", "scale", "decoupled_weight_decay", "proximal_step"]


def opaque(*hidden):
    """Returns a wrapper of somebody else, which closes over a tuple and may use what is in it in any order."""

    def init(params):
        return [inner.init(params) for inner in hidden]

    def update(updates, state, params=None):
        raise NotImplementedError  # nobody updates: a description only initializes

    return optax.GradientTransformation(init, update)


class OnlyInit:
    def init(self, params):
        return chain().init(params)


class Called:
    """Functions that are objects have no names."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, *arguments):
        return self.inner.init(*arguments[:1])


class Slots(NamedTuple):
    """An object without a `__dict__`."""

    rate: float = 0.1

    def init(self, params):
        return ()

    def update(self, updates, state, params=None):
        return updates, state


def unfilled():
    """Returns a transformation that closes over what does not exist yet."""

    def update(updates, state, params=None):
        return later(updates), state

    made = optax.GradientTransformation(lambda params: (), update)
    if made is None:
        later = abs
    return made


@pytest.mark.parametrize(
    ("wrap", "seen"),
    [
        (lambda tx: tx, SEEN),
        (lambda tx: optax.named_chain(("a", tx), ("b", optax.identity())), SEEN),
        (lambda tx: optax.MultiSteps(tx, 2), [*SEEN, "MultiSteps"]),
        (lambda tx: optax.MultiSteps(tx, 2).gradient_transformation(), [*SEEN, "MultiSteps"]),
        (lambda tx: optax.apply_if_finite(tx, 3), [*SEEN, "apply_if_finite"]),
        (lambda tx: optax.lookahead(tx, 5, 0.5), SEEN),
        (lambda tx: optax.contrib.schedule_free(tx, 0.1), [*SEEN, "schedule_free"]),
        (lambda tx: optax.inject_hyperparams(lambda rate: chain(rate))(0.1), SEEN),
        (lambda tx: optax.inject_hyperparams(lambda rate: chain(rate))(optax.constant_schedule(0.1)), SEEN),
        (lambda tx: optax.chain(optax.scale(1.0), opaque(tx)), ["scale", *SEEN[3:], "opaque"]),
        (lambda tx: opaque(tx, tx), [*SEEN[3:], *SEEN[3:], "opaque"]),
        (lambda tx: OnlyInit(), SEEN[3:]),
        (lambda tx: optax.GradientTransformation(Called(tx), Called(tx)), [*SEEN[3:], "Called"]),
        (lambda tx: optax.contrib.sam(tx, optax.sgd(0.1)), [*SEEN[3:], "sam"]),
        (lambda tx: optax.chain(tx, Slots()), [*SEEN, "Slots"]),
        (lambda tx: optax.chain(unfilled(), tx), ["unfilled", *SEEN]),
    ],
    ids=[
        "plain",
        "named_chain",
        "MultiSteps",
        "MultiSteps as a transformation",
        "apply_if_finite",
        "lookahead",
        "schedule_free",
        "inject_hyperparams",
        "inject_hyperparams with a schedule",
        "a wrapper of somebody else",
        "one of two",
        "an object",
        "functions that are objects",
        "sam",
        "beside an object with slots",
        "beside a function with an empty cell",
    ],
)
def test_order_inside_wrappers(wrap, seen):
    tx = wrap(chain())
    assert order(tx) == seen
    assert order(tx) == seen  # JAX traces a function once only
    rows = {row.path: row for row in diagnostics.describe(tx, PARAMS).rows}
    assert rows["dense/bias"].rules == ()
    assert [action.transform for action in rows["dense/kernel"].actions if action.library == "regjax"] == [
        name for name in seen if name in SEEN[3:]
    ]


def test_lookahead_with_parameters_of_its_own():
    params = optax.LookaheadParams.init_synced(PARAMS)
    description = diagnostics.describe(optax.lookahead(chain(), 5, 0.5), params)
    assert {row.path: len(row.rules) for row in description.rows} == {
        "fast/dense/bias": 0,
        "fast/dense/kernel": 2,
        "slow/dense/bias": 0,
        "slow/dense/kernel": 0,
    }
    assert "clip (2 of 4)" in str(description)


def test_leaves_of_each_transformation():
    labels = {"dense": {"kernel": "train", "bias": "freeze"}}
    tx = optax.chain(
        optax.masked(optax.add_decayed_weights(0.1), KERNEL_ONLY),
        optax.partition({"train": optax.adam(0.1), "freeze": optax.set_to_zero()}, lambda params: labels),
    )
    described = diagnostics.describe(tx, PARAMS)
    leaves = {step.transform: step.leaves for step in described.order}
    assert leaves == {
        "add_decayed_weights": ("dense/kernel",),
        "scale_by_adam": ("dense/kernel",),
        "scale": ("dense/kernel",),
        "set_to_zero": ("dense/bias",),
    }
    assert described.untouched == ("dense/bias",)  # what Optax decays is touched
    assert described.rows[1].rules == ("add_decayed_weights: weight_decay=0.1",)
    scale = described.rows[1].actions[2]
    assert (scale.library, scale.settings) == ("optax", {"step_size": -0.1})


def test_data():
    schedule = optax.linear_schedule(0.0, 0.1, 10)
    tx = optax.chain(
        transforms.proximal_adam(schedule, L1, weight_decay=0.01, mask="**/bias"),
        transforms.project(
            constraints.intersection(constraints.non_negative(mask="**/kernel"), constraints.max_norm(1.0))
        ),
        transforms.freeze_when_stopped(stopping.early_stopping(patience=2)),
    )
    bias, kernel = diagnostics.describe(tx, PARAMS, step=5).rows
    names = ["scale_by_adam", "scale_by_schedule", "proximal", "project", "freeze_when_stopped"]
    assert [action.transform for action in kernel.actions] == names
    proximal, project = kernel.actions[2:4]
    assert (proximal.operator, proximal.arguments) == (
        "group_lasso",
        {"strength": 0.1, "axis": 1, "size_scaling": True},
    )
    assert str(proximal.settings["learning_rate"]) == "<schedule, 0.05 at step 5>"
    assert proximal.settings["metric"] == "adam_metric"
    assert str(project) == "project: intersection(non_negative(), max_norm(bound=1.0, axis='auto'))"
    assert bias.rules == (
        "decoupled_weight_decay: weight_decay=0.01, learning_rate=<schedule, 0.05 at step 5>",
        "freeze_when_stopped",
    )
    data = json.loads(json.dumps(diagnostics.describe(tx, PARAMS, step=5).as_dict()))
    assert data["untouched"] == []
    assert data["warnings"] == []
    assert data["order"][-1] == {
        "transform": "freeze_when_stopped",
        "library": "regjax",
        "leaves": ["dense/bias", "dense/kernel"],
    }
    actions = data["rows"][1]["actions"]
    assert actions[2]["settings"]["learning_rate"] == {"schedule": {"step": 5, "value": 0.05}}
    assert actions[3]["arguments"] == {"of": ["non_negative()", "max_norm(bound=1.0, axis='auto')"]}


def test_numbers_that_may_change():
    tx = optax.inject_hyperparams(transforms.decoupled_weight_decay)(0.1, lambda step: 0.5 / (1 + step))
    (action,) = diagnostics.describe(tx, jnp.ones(2), step=1).rows[0].actions
    assert str(action) == "decoupled_weight_decay: weight_decay=<injected, 0.1>, learning_rate=<injected, 0.25>"
    assert action.as_dict()["settings"] == {"weight_decay": {"injected": 0.1}, "learning_rate": {"injected": 0.25}}
    (row,) = diagnostics.describe(transforms.decoupled_weight_decay(lambda step: step.missing), jnp.ones(2)).rows
    assert row.rules == ("decoupled_weight_decay: weight_decay=<schedule>",)
    anchored = transforms.decoupled_weight_decay(jnp.float32(0.1), anchor={"w": jnp.ones(2)}, cautious=True)
    (row,) = diagnostics.describe(anchored, {"w": jnp.ones(2)}).rows
    assert row.rules == ("decoupled_weight_decay: weight_decay=0.1, cautious=True, anchor=<tree of 1 arrays>",)


def test_schedules_are_given_the_count_as_optax_gives_it():
    tx = transforms.decoupled_weight_decay(0.1, lambda count: 0.1 * count.astype(jnp.float32))
    (row,) = diagnostics.describe(tx, jnp.ones(2), step=3).rows
    assert row.rules == ("decoupled_weight_decay: weight_decay=0.1, learning_rate=<schedule, 0.3 at step 3>",)


def test_a_decay_of_zero_touches_nothing():
    assert diagnostics.describe(optax.lamb(0.1), PARAMS).untouched == ("dense/bias", "dense/kernel")
    assert diagnostics.describe(optax.lamb(0.1, weight_decay=0.1), PARAMS).untouched == ()


def test_traced_numbers_are_named_and_not_kept():
    shown = []

    def make(strength, count):
        tx = transforms.proximal_step(regularizers.l1(strength), strength, metric={"w": jnp.ones(2)})
        shown.append(str(diagnostics.describe(tx, {"w": jnp.ones(2)}).rows[0].rules[0]))
        shown.append(str(diagnostics.describe(regularizers.l2(jnp.ones(3)), {"w": jnp.ones(2)}).rows[0].rules[0]))
        return count

    with jax.checking_leaks():
        jax.jit(make)(0.1, jnp.int32(2))
    rule = "l1(strength=<traced>), learning_rate=<traced>, metric=<tree of 1 arrays>"
    assert shown == [f"proximal_step: {rule}", "l2(strength=<traced>)"]
    (row,) = diagnostics.describe(regularizers.l2(jnp.ones(3)), jnp.ones(2)).rows
    assert row.rules == ("l2(strength=<float32[3]>)",)


def test_metrics_have_names():
    for metric, name in [(transforms.Metric(lambda state: state), "<lambda>"), (max, "max"), ("identity", "identity")]:
        tx = transforms.proximal(optax.sgd(0.1), L1, 0.1, metric=metric)
        assert diagnostics.describe(tx, PARAMS).rows[1].actions[-1].settings["metric"] == name


def test_large_trees_print_in_short():
    block = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    params = {f"block_{at}": block for at in range(40)} | {"head": block}
    text = str(diagnostics.describe(regularizers.l2(0.1, mask="**/kernel"), params))
    untouched = "untouched: " + ", ".join(f"block_{at}/bias" for at in [0, 1, 10, 11, 12, 13, 14, 15]) + " and 33 more"
    assert text.splitlines()[2:] == [
        "block_*/bias (x40)    (2,)    float32  -",
        "block_*/kernel (x40)  (2, 2)  float32  l2(strength=0.1)",
        "head/bias             (2,)    float32  -",
        "head/kernel           (2, 2)  float32  l2(strength=0.1)",
        untouched,
    ]


def test_wide_rules_stand_below_each_other():
    tx = optax.chain(chain(), transforms.project(constraints.non_negative()))
    lines = str(diagnostics.describe(tx, PARAMS)).splitlines()
    start = lines[0].index("rules")
    assert [line[:start].split() for line in lines[2:6]] == [
        ["dense/bias", "(2,)", "float32"],
        ["dense/kernel", "(3,", "2)", "float32"],
        [],
        [],
    ]
    assert [line[start:].split(":")[0] for line in lines[2:6]] == [
        "project",
        "decoupled_weight_decay",
        "proximal_step",
        "project",
    ]


def test_what_happens_to_a_flattened_tree_happens_to_all_leaves():
    tx = optax.flatten(optax.chain(optax.sgd(0.1), transforms.decoupled_weight_decay(0.01)))
    description = diagnostics.describe(tx, {"a": jnp.ones(2), "b": jnp.ones((2, 2))})
    assert [row.rules for row in description.rows] == [("decoupled_weight_decay: weight_decay=0.01",)] * 2
    assert not description.untouched
