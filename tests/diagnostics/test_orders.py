"""Every wrong order of the README's table is seen, with what to do; correct chains stay quiet."""

import json
import pathlib
import warnings

import jax
import jax.numpy as jnp
import optax
import pytest

import regjax
from regjax import constraints, diagnostics, regularizers, stopping, transforms

PARAMS = {"dense": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}}
SCHEDULE = optax.linear_schedule(0.0, 0.1, 10)  # the rate of the first step is 0, and has no sign
L1 = regularizers.l1(0.1, mask="**/kernel")
L2 = regularizers.l2(0.1)
RULE = stopping.early_stopping(patience=2)

add = transforms.add_penalty_gradients
decay = transforms.decoupled_weight_decay
prox = transforms.proximal_step
project = transforms.project(constraints.max_norm(1.0))
freeze = transforms.freeze_when_stopped(RULE)
zero = optax.masked(optax.set_to_zero(), {"dense": {"kernel": True, "bias": False}})


def found(tx, params=PARAMS):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        description = diagnostics.describe(tx, params)
    assert [str(one.message) for one in caught] == list(description.warnings)
    assert all(one.category is diagnostics.ChainOrderWarning and one.filename == __file__ for one in caught)
    assert str(description).count("\nwarning: ") == len(caught)
    json.dumps(description.as_dict())
    return list(description.warnings)


def in_an_unknown_order(*parts):
    """Returns a transformation that calls others in an order that nobody can see."""
    first, second = parts

    def init(params):
        return first.init(params), second.init(params)

    def update(updates, state, params=None):
        updates, first_state = first.update(updates, state[0], params)
        updates, second_state = second.update(updates, state[1], params)
        return updates, (first_state, second_state)

    return optax.GradientTransformation(init, update)


WRONG = {
    "projected, then scaled": (
        [optax.sgd(0.1), project, optax.scale(0.5)],
        ("`project` comes before `scale`, which may leave the set again: put `project` after (on 'dense/kernel')"),
    ),
    "projected, then decayed and shrunk": (
        [optax.sgd(SCHEDULE), project, decay(0.1, SCHEDULE), prox(L1, SCHEDULE)],
        (
            "`project` comes before `decoupled_weight_decay` and `proximal_step`, which may leave the set again: "
            "put `project` after (on 'dense/kernel')"
        ),
    ),
    "zeros, then decay": (
        [optax.sgd(0.1), prox(L1, 0.1), decay(0.1, 0.1)],
        (
            "`proximal_step` comes before `decoupled_weight_decay`, which may move weights off zero: put "
            "`proximal_step` after (on 'dense/kernel')"
        ),
    ),
    "zeros before the learning rate": (
        [prox(L1, 0.1), optax.scale_by_learning_rate(SCHEDULE)],
        (
            "`proximal_step` comes before `scale_by_schedule`, which may move weights off zero: put "
            "`proximal_step` after (on 'dense/kernel')"
        ),
    ),
    "zeros, then a clip": (
        [transforms.proximal_sgd(0.1, L1), optax.clip(1.0)],
        ("`proximal` comes before `clip`, which may move weights off zero: put `proximal` after (on 'dense/kernel')"),
    ),
    "decay before the moments": (
        [decay(0.1), optax.scale_by_adam()],
        (
            "`decoupled_weight_decay` comes before `scale_by_adam`, where the decay becomes something else: put "
            "it after the learning rate (on 'dense/bias' and 1 more)"
        ),
    ),
    "decay before the learning rate": (
        [optax.trace(0.9), decay(0.1), optax.scale_by_learning_rate(SCHEDULE)],
        (
            "`decoupled_weight_decay` comes before `scale_by_schedule`, where the decay becomes something else: "
            "put it after the learning rate (on 'dense/bias' and 1 more)"
        ),
    ),
    "growth": (
        [optax.sgd(SCHEDULE), optax.add_decayed_weights(0.1, {"dense": {"kernel": True, "bias": False}})],
        (
            "`add_decayed_weights` comes after the learning rate and makes weights grow: put it before, or "
            "`regjax.transforms.decoupled_weight_decay` in its place (on 'dense/kernel')"
        ),
    ),
    "growth of two parts": (
        [
            optax.partition({"a": optax.sgd(0.1), "b": optax.adam(0.1)}, {"dense": {"kernel": "a", "bias": "b"}}),
            optax.add_decayed_weights(0.1),
        ],
        (
            "`add_decayed_weights` comes after the learning rate and makes weights grow: put it before, or "
            "`regjax.transforms.decoupled_weight_decay` in its place (on 'dense/bias' and 1 more)"
        ),
    ),
    "growth of one part": (
        [optax.masked(optax.sgd(0.1), {"dense": {"kernel": False, "bias": True}}), optax.add_decayed_weights(0.1)],
        (
            "`add_decayed_weights` comes after the learning rate and makes weights grow: put it before, or "
            "`regjax.transforms.decoupled_weight_decay` in its place (on 'dense/bias')"
        ),
    ),
    "growth by a schedule": (
        [
            optax.scale(-0.1),
            optax.scale_by_schedule(lambda step: step.astype(float) + 1),
            optax.add_decayed_weights(lambda step: 0.1),
        ],
        (
            "`add_decayed_weights` comes after the learning rate and makes weights grow: put it before, or "
            "`regjax.transforms.decoupled_weight_decay` in its place (on 'dense/bias' and 1 more)"
        ),
    ),
    "ascent": (
        [optax.sgd(0.1), add(L1)],
        (
            "`add_penalty_gradients` comes after the learning rate and climbs the penalty: put it first (on "
            "'dense/kernel')"
        ),
    ),
    "penalty after the moments": (
        [optax.scale_by_rms(), add(L2), optax.scale(-0.1)],
        (
            "`add_penalty_gradients` comes after `scale_by_rms`, so what is minimized is not loss plus penalty: "
            "put it first (on 'dense/bias' and 1 more)"
        ),
    ),
    "another metric": (
        [optax.rmsprop(0.1), prox(L1, 0.1)],
        (
            "`proximal_step` comes after `scale_by_rms` and measures distance in another metric, so its zeros are"
            " not those of the stated problem: take `regjax.transforms.proximal_adam`, or `proximal` with the "
            "metric of the optimizer (on 'dense/kernel')"
        ),
    ),
    "another metric, of one that has its rate in it": (
        [optax.contrib.prodigy(), prox(L1, 0.1)],
        (
            "`proximal_step` comes after `prodigy` and measures distance in another metric, so its zeros are"
            " not those of the stated problem: take `regjax.transforms.proximal_adam`, or `proximal` with the "
            "metric of the optimizer (on 'dense/kernel')"
        ),
    ),
    "frozen, then decayed": (
        [optax.sgd(0.1), zero, decay(0.1, 0.1)],
        (
            "`set_to_zero` comes before `decoupled_weight_decay`, which may move frozen parameters: put it after, or "
            "mask them out there (on 'dense/kernel')"
        ),
    ),
    "frozen, then projected": (
        [
            optax.partition({"a": optax.adam(0.1), "b": optax.set_to_zero()}, {"dense": {"kernel": "b", "bias": "a"}}),
            project,
        ],
        (
            "`set_to_zero` comes before `project`, which may move frozen parameters: put it after, or mask them out "
            "there (on 'dense/kernel')"
        ),
    ),
    "stopped, then moved": (
        [optax.scale(-0.1), freeze, optax.trace(0.9)],
        (
            "`freeze_when_stopped` comes before `trace`, so parameters move after it has stopped: put it last (on"
            " 'dense/bias' and 1 more)"
        ),
    ),
    "two decays": (
        [optax.adamw(0.1, weight_decay=0.1), decay(0.1, 0.1)],
        (
            "`decoupled_weight_decay` comes after `add_decayed_weights`, which decays the same weights: take one of "
            "them (on 'dense/bias' and 1 more)"
        ),
    ),
    "around accumulation": (
        [optax.MultiSteps(optax.sgd(0.1), 4).gradient_transformation(), prox(L1, 0.1)],
        ("`proximal_step` comes after `MultiSteps` and acts at every mini-step: put it inside (on 'dense/kernel')"),
    ),
}

OTHER = (
    ", so what is minimized is not loss plus penalty: give it the learning rate of the optimizer (on 'dense/kernel')"
)
FALLING = optax.cosine_decay_schedule(0.1, 1000)
RATES = {
    "numbers": (
        [optax.sgd(0.1), prox(L1, 0.2)],
        f"`proximal_step` steps by 0.2 at step 0, where the learning rate is 0.1{OTHER}",
    ),
    "a number after a schedule": (
        [optax.clip(1.0), optax.sgd(optax.linear_schedule(0.1, 0.0, 10)), prox(L1, 0.1)],
        f"`proximal_step` steps by 0.1 at step 1, where the learning rate is 0.09{OTHER}",
    ),
    "schedules that part late": (
        [optax.sgd(FALLING), prox(L1, optax.cosine_decay_schedule(0.1, 1200))],
        f"`proximal_step` steps by 0.0982963 at step 100, where the learning rate is 0.0975528{OTHER}",
    ),
    "scaled once more": (
        [optax.sgd(FALLING), optax.scale(0.5), prox(L1, FALLING)],
        f"`proximal_step` steps by 0.1 at step 0, where the learning rate is 0.05{OTHER}",
    ),
    "around an adaptive optimizer": (
        [transforms.proximal(optax.adamw(0.1), L1, 0.2, metric=transforms.adam_metric())],
        f"`proximal` steps by 0.2 at step 0, where the learning rate is 0.1{OTHER}",
    ),
    "of one part": (
        [
            optax.masked(optax.sgd(0.1), {"dense": {"kernel": False, "bias": True}}),
            optax.masked(optax.sgd(0.2), {"dense": {"kernel": True, "bias": False}}),
            prox(L2, 0.2),
        ],
        f"`proximal_step` steps by 0.2 at step 0, where the learning rate is 0.1{OTHER.replace('kernel', 'bias')}",
    ),
    "injected": (
        [optax.inject_hyperparams(optax.sgd)(FALLING), prox(L1, 0.2)],
        f"`proximal_step` steps by 0.2 at step 0, where the learning rate is 0.1{OTHER}",
    ),
}


def takes(own, step, rate, on):
    return (
        f"`decoupled_weight_decay` takes a learning rate of {own} at step {step}, where the learning rate is {rate}, "
        f"so the decay is not that of `optax.adamw`: give it the learning rate of the optimizer {on}"
    )


BOTH_LEAVES, ON_KERNEL, ON_BIAS = "(on 'dense/bias' and 1 more)", "(on 'dense/kernel')", "(on 'dense/bias')"
RATES |= {
    "of a decay": ([optax.adam(0.1), decay(0.1, 0.2)], takes(0.2, 0, 0.1, BOTH_LEAVES)),
    "of a small decay of some leaves, before zeros": (
        [optax.sgd(FALLING), decay(1e-4, 0.1, mask="**/kernel"), prox(L1, FALLING)],
        takes(0.1, 100, 0.0975528, ON_KERNEL),
    ),
    "of a decay by a schedule to an anchor": (
        [optax.rmsprop(0.1), decay(FALLING, FALLING, cautious=True, anchor="initial"), project],
        takes(0.0975528, 100, 0.1, BOTH_LEAVES),
    ),
}
WRONG |= {f"another rate: {name}": case for name, case in RATES.items()}


def shrinks(by, on=BOTH_LEAVES):
    return (
        f"`decoupled_weight_decay` has no learning rate, so weights shrink by {by} of their size at each step, "
        "whatever the learning rate of the optimizer is: give `learning_rate=` as in `optax.adamw`, or use a smaller "
        f"decay {on}"
    )


SGD = optax.sgd(0.1)
BIAS = {"dense": {"kernel": False, "bias": True}}
WITHOUT_A_RATE = {
    "adam": ([optax.adam(1e-3), decay(0.01)], shrinks(0.01)),
    "alone": ([decay(0.1, cautious=True)], shrinks(0.1)),
    "an array": ([optax.sgd(SCHEDULE), decay(jnp.float32(0.01))], shrinks(0.01)),
    "the others go on": ([SGD, decay(1, mask="**/kernel"), prox(L1, 0.1), project, freeze], shrinks(1, ON_KERNEL)),
    "accumulated": ([optax.MultiSteps(optax.chain(SGD, decay(0.1)), 2)], shrinks(0.1)),
    "inside": ([transforms.proximal(optax.chain(SGD, decay(0.1)), L1, 0.1)], shrinks(0.1)),
    "of what is not frozen": ([SGD, decay(0.1), zero], shrinks(0.1, ON_BIAS)),
}
WRONG |= {f"a decay without a rate: {name}": case for name, case in WITHOUT_A_RATE.items()}


def idle(names, why, mend="give it other leaves", on=f" {ON_BIAS}"):
    return f"{names} moves no leaf, because {why}: {mend}{on}"


def alone(axes, given=""):
    return f"it leaves arrays with fewer than {axes} axes alone{given}"


NORM = "`project` onto `max_norm`", alone(2, " with axis='auto'"), "give it other leaves, or an axis"
NO_NORM = constraints.max_norm(1.0, mask="**/bias")
NO_MATRIX = constraints.spectral_norm(1.0, mask="**/bias")
NUCLEAR = regularizers.nuclear(0.1, mask="**/bias")
IDLE = {
    "norms": ([transforms.project(NO_NORM)], idle(*NORM)),
    "matrices": ([transforms.project(NO_MATRIX)], idle("`project` onto `spectral_norm`", alone(2))),
    "stacked matrices": (
        [transforms.project(constraints.orthogonal(stacked_axes=1))],
        idle("`project` onto `orthogonal`", alone(3, " with stacked_axes=1"), on=f" {BOTH_LEAVES}"),
    ),
    "a step": ([prox(NUCLEAR, 0.1)], idle("`proximal_step` of `nuclear`", alone(2))),
    "inside masked": ([optax.masked(project, BIAS)], idle(*NORM)),
    "in an unknown order": ([in_an_unknown_order(optax.identity(), transforms.project(NO_NORM))], idle(*NORM)),
    "beside one that moves": (
        [transforms.project(constraints.max_norm(1.0, mask="**/kernel")), transforms.project(NO_NORM)],
        idle(*NORM),
    ),
    "an empty mask": (
        [transforms.project(constraints.box(0.0, 1.0, mask={"dense": False}))],
        idle("`project` onto `box`", "its mask selects none", on=""),
    ),
    "two rules": (
        [transforms.project(constraints.by_path({"**/bias": constraints.max_norm(1.0), "**/kernel": None}))],
        idle(*NORM),
    ),
    "two at once": (
        [transforms.project(constraints.intersection(NO_NORM, NO_MATRIX))],
        idle("`project` onto `max_norm` and `spectral_norm`", "they leave these alone", "give them other leaves"),
    ),
}
WRONG |= {f"moves nothing: {name}": ([SGD, *parts], text) for name, (parts, text) in IDLE.items()}
WRONG["moves nothing: around an optimizer"] = (
    [transforms.proximal_sgd(0.1, NUCLEAR)],
    idle("`proximal` of `nuclear`", alone(2)),
)


def projections(*rules):
    return [optax.sgd(0.1), *map(transforms.project, rules)]


KERNELS = "**/kernel"
BOTH = "take their `regjax.constraints.intersection`, if they are convex"
SETS = {
    "signs": (constraints.non_negative(mask=KERNELS), constraints.spectral_norm(1.0), BOTH),
    "singular values": (constraints.spectral_norm(2.0), constraints.non_negative(), BOTH),
    "a box without 0": (constraints.box(0.5, 1.0, mask=KERNELS), constraints.max_norm(1.0), BOTH),
    "norms of one, then signs": (constraints.unit_norm(), constraints.non_negative(), f"put it after, or {BOTH}"),
    "small entries, then norms of one": (constraints.box(-0.1, 0.1, mask=KERNELS), constraints.unit_norm(), BOTH),
    "a small ball, then norms of one": (constraints.l2_ball(0.5, mask=KERNELS), constraints.unit_norm(), BOTH),
    "sums": (constraints.simplex(1.0, mask=KERNELS), constraints.l2_ball(0.5), BOTH),
}
for name, (first, second, mend) in SETS.items():
    names = f"`project` onto `{first.name}` comes before that onto `{second.name}`"
    text = f"{names}, which may leave the set again: {mend} (on 'dense/kernel')"
    WRONG[f"left: {name}"] = projections(first, second), text


@pytest.mark.parametrize(("parts", "text"), WRONG.values(), ids=WRONG.keys())
def test_wrong_orders_are_seen(parts, text):
    assert found(optax.chain(*parts)) == [text]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda parts: optax.named_chain(*((str(at), part) for at, part in enumerate(parts))),
        lambda parts: optax.MultiSteps(optax.chain(*parts), 2),
        lambda parts: optax.apply_if_finite(optax.chain(*parts), 3),
        lambda parts: optax.chain(optax.masked(optax.chain(*parts), {"dense": True}), optax.identity()),
        lambda parts: optax.inject_hyperparams(lambda rate: optax.chain(parts[0], optax.scale(1 + rate), parts[1]))(
            0.1
        ),
        lambda parts: optax.partition({"all": optax.chain(*parts)}, "all"),
    ],
    ids=["named_chain", "MultiSteps", "apply_if_finite", "masked", "inject_hyperparams", "partition"],
)
def test_wrong_orders_are_seen_inside_wrappers(wrap):
    parts, text = WRONG["growth"]
    assert found(wrap(parts)) == [text]


def another_library():
    """Returns a transformation whose sign nobody can see."""

    def update(updates, state, params=None):
        return updates, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


KERNEL = {"dense": {"kernel": True, "bias": False}}
RIGHT = {
    "the order of the README": [
        optax.clip_by_global_norm(1.0),
        add(L2),
        optax.sgd(SCHEDULE, momentum=0.9),
        decay(0.01, SCHEDULE, mask="**/kernel"),
        prox(L1, SCHEDULE),
        project,
        freeze,
    ],
    "adam": [optax.clip(1.0), add(L2), optax.adam(SCHEDULE), decay(0.01, SCHEDULE), project, freeze],
    "proximal": [transforms.proximal_adam(SCHEDULE, L1, weight_decay=0.1), project, freeze],
    "metric": [
        transforms.proximal(optax.rmsprop(0.1), L1, 0.1, metric=transforms.rmsprop_metric()),
        optax.apply_if_finite(optax.identity(), 3),
    ],
    "a metric of one's own": [optax.adam(0.1), prox(L1, 0.1, metric=PARAMS)],
    "optimizers of Optax": [optax.adamw(SCHEDULE, weight_decay=0.1)],
    "another optimizer of Optax": [optax.lamb(0.1, weight_decay=0.1), project],
    "yet another": [optax.fromage(0.1)],
    "added with the other sign": [optax.sgd(0.1), optax.add_decayed_weights(-0.1)],
    "added before a flip": [optax.scale(-1.0), optax.add_decayed_weights(0.1), optax.scale(-0.1)],
    "an unknown sign": [optax.sgd(0.1), optax.add_decayed_weights(0.1), another_library()],
    "a function of somebody else": [
        optax.scale(-1.0),
        optax.add_decayed_weights(0.1),
        optax.stateless(lambda updates, params: jax.tree.map(lambda u: -0.1 * u, updates)),
    ],
    "a schedule of zero": [optax.scale_by_schedule(lambda step: -0.0), optax.add_decayed_weights(0.1)],
    "different leaves": [
        optax.partition({"prox": prox(L1, 0.1), "adam": optax.adam(0.1)}, {"dense": {"kernel": "prox", "bias": "adam"}})
    ],
    "frozen, and decayed elsewhere": [optax.sgd(0.1), zero, decay(0.1, 0.1, mask="**/bias")],
    "a decay that is zero": [optax.lamb(0.1), decay(0.1, 0.1)],
    "decayed, then frozen": [optax.adam(0.1), decay(0.1, 0.1), zero],
    "stopped, then scaled": [optax.sgd(0.1), freeze, optax.scale(0.5)],
    "accumulation": [
        optax.MultiSteps(optax.chain(optax.sgd(0.1), prox(L1, 0.1), project), 4).gradient_transformation()
    ],
    "accumulated penalty": [add(L2), optax.MultiSteps(optax.adam(0.1), 4).gradient_transformation(), project],
    "two projections": [optax.sgd(0.1), project, transforms.project(constraints.non_negative())],
    "a plateau": [optax.adam(0.1), optax.contrib.reduce_on_plateau(), decay(0.1, 0.1), project],
    "a fragment": [decay(0.1, 0.1), project],
    "a rate said twice": [
        optax.clip_by_global_norm(1.0),
        optax.sgd(FALLING),
        prox(L1, optax.cosine_decay_schedule(0.1, 1000)),
    ],
    "a rate as a number and a schedule": [optax.sgd(0.1), prox(L1, lambda step: 0.1)],
    "a rate in float32": [optax.sgd(0.1), prox(L1, jnp.float32(0.1))],
    "a product of rates": [optax.sgd(SCHEDULE), optax.scale(0.5), prox(L1, lambda step: 0.5 * SCHEDULE(step))],
    "a scale of the loss": [optax.scale(1 / 1024), optax.sgd(0.1), prox(L1, 0.1)],
    "the rate of a steady gradient": [optax.sgd(0.1, momentum=0.9), prox(L1, 1.0)],
    "momentum inside": [transforms.proximal_sgd(FALLING, L1, momentum=0.9, nesterov=True)],
    "without a rate": [optax.clip(1.0), prox(L1, 0.1)],
    "a schedule of the gradients": [optax.scale_by_schedule(FALLING), optax.sgd(0.1), prox(L1, 0.2)],
    "a rate that nobody can ask for": [optax.sgd(lambda step: None), prox(L1, 0.1)],
    "a plateau, then zeros": [optax.sgd(0.1), optax.contrib.reduce_on_plateau(), prox(L1, 0.2)],
    "another library, then zeros": [optax.sgd(0.1), another_library(), prox(L1, 0.2)],
    "zeros inside another library": [optax.sgd(0.1), in_an_unknown_order(optax.scale(2.0), prox(L1, 0.2))],
    "an injected rate": [optax.inject_hyperparams(optax.sgd)(FALLING), prox(L1, FALLING)],
    "the exact order": projections(constraints.non_negative(), constraints.max_norm(1.0)),
    "two bounds": projections(constraints.max_norm(1.0), constraints.max_norm(1.0, axis=1, mask="**/kernel")),
    "a ball in a ball": projections(constraints.l1_ball(3.0), constraints.linf_ball(0.1), constraints.l2_ball(1e-3)),
    "singular values, then norms": projections(constraints.spectral_norm(1.0), constraints.max_norm(0.5)),
    "norms, then singular values": projections(constraints.max_norm(2.0), constraints.spectral_norm(1.0)),
    "a box around 0": projections(constraints.box(-1.0, 0.0), constraints.max_norm(0.5)),
    "a box without 0 that is small": projections(constraints.max_norm(1e4), constraints.box(0.5, 1.0)),
    "norms between": projections(constraints.max_norm(2.0), constraints.min_max_norm(1.0, 1.5)),
    "half of the way": projections(constraints.min_max_norm(1.0, 1.5, rate=0.5), constraints.non_negative()),
    "twice": projections(constraints.orthogonal(), constraints.orthogonal()),
    "signs, then all at once": projections(
        constraints.non_negative(), constraints.intersection(constraints.spectral_norm(1.0), constraints.non_negative())
    ),
    "sets of different leaves": projections(
        constraints.non_negative(mask="**/kernel"), constraints.box(-2.0, -1.0, mask="**/bias")
    ),
    "freezing parts": [optax.adam(0.1), decay(0.1, 0.1), optax.masked(optax.set_to_zero(), KERNEL)],
    "a decay by a schedule": [optax.sgd(SCHEDULE), decay(optax.linear_schedule(0.1, 0.0, 10))],
    "a small decay": [SGD, decay(0.0099)],
    "a decay that is scaled": [optax.scale_by_sign(), decay(0.1), optax.scale(0.01)],
    "a decay that somebody else changes": [SGD, decay(0.1), another_library()],
    "a decay in an unknown order": [SGD, in_an_unknown_order(decay(0.1), optax.scale(0.01))],
    "a decay that is clipped": [SGD, decay(0.1), optax.clip(1.0)],
    "a decay of what is frozen": [SGD, decay(0.1, mask="**/kernel"), zero],
    "a decay to an anchor": [SGD, decay(0.1, anchor="initial")],
    "a decay that may be changed": [SGD, optax.inject_hyperparams(decay)(0.1)],
    "a decay times an injected rate": [
        optax.inject_hyperparams(lambda rate: optax.chain(optax.sgd(rate), decay(0.2 * rate)))(FALLING)
    ],
    "a decay by the rate said twice": [optax.adam(FALLING), decay(0.1, optax.cosine_decay_schedule(0.1, 1000))],
    "a decay by the rate of a steady gradient": [optax.sgd(0.1, momentum=0.9), decay(0.1, 1.0)],
    "a decay without an optimizer": [optax.clip(1.0), decay(0.1, 0.2)],
    "a decay of another part": [optax.masked(SGD, BIAS), decay(0.1, 0.2, mask="**/kernel")],
    "a decay after a plateau": [SGD, optax.contrib.reduce_on_plateau(), decay(0.1, 0.2)],
    "a decay of zero by another rate": [SGD, decay(0.0, 0.2)],
    "an injected rate, then a decay": [optax.inject_hyperparams(optax.sgd)(FALLING), decay(0.1, FALLING)],
    "norms along an axis": [SGD, transforms.project(constraints.max_norm(1.0, axis=0, mask="**/bias"))],
    "rules of which one acts": [
        SGD,
        transforms.project(
            constraints.by_path({"**/kernel": constraints.max_norm(1.0), "**/bias": constraints.max_norm(2.0)})
        ),
    ],
    "several at once of which one acts": [
        SGD,
        transforms.project(
            constraints.intersection(constraints.non_negative(), constraints.max_norm(1.0), mask="**/bias")
        ),
    ],
    "given nothing": [
        optax.partition({"a": optax.chain(SGD, project), "b": project}, {"dense": {"kernel": "a", "bias": "a"}})
    ],
    "one rule in two parts": [
        optax.partition(
            {"a": optax.chain(SGD, project), "b": optax.chain(optax.adam(0.1), project)},
            {"dense": {"kernel": "a", "bias": "b"}},
        )
    ],
    "a penalty that is none": [add(regularizers.nuclear(0.1, mask="**/bias")), SGD],
}


@pytest.mark.parametrize("parts", RIGHT.values(), ids=RIGHT.keys())
def test_right_orders_are_quiet(parts):
    assert found(optax.chain(*parts)) == []


def test_the_chain_of_the_readme_is_right():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    code = readme.split("## Order in a chain")[1].split("```python\n")[1].split("```")[0]
    given = {"optax": optax, "regjax": regjax, "schedule": SCHEDULE, "penalty": L2, "regularizer": L1}
    given |= {"constraint": constraints.max_norm(1.0), "stopping": RULE}
    exec(code, given)
    assert found(given["tx"]) == []


def test_the_first_example_of_the_readme_is_right():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    code = readme.split("\nschedule = ")[1].split("\nstate = ")[0]
    given = {"optax": optax, "regjax": regjax}
    exec(f"schedule = {code}", given)
    layer = PARAMS["dense"]
    assert found(given["optimizer"], {"params": {"Dense_0": layer, "Dense_1": layer}}) == []


def test_projections_are_tried_where_their_numbers_are_known():
    unit, seen = constraints.unit_norm(mask=KERNELS), []

    @jax.jit
    def step(bound):
        seen.append(found(optax.chain(*projections(constraints.l2_ball(0.5, mask=KERNELS), unit))))
        seen.append(found(optax.chain(*projections(constraints.l2_ball(bound, mask=KERNELS), unit))))

    step(0.5)
    assert [len(texts) for texts in seen] == [1, 0]


def test_decays_and_rates_are_judged_where_their_numbers_are_known():
    seen = []

    @jax.jit
    def step(number):
        seen.append(found(optax.chain(SGD, decay(number))))
        seen.append(found(optax.chain(SGD, decay(number, 0.2))))
        seen.append(found(optax.chain(SGD, decay(0.1, number))))
        seen.append(found(optax.chain(optax.sgd(number), decay(0.1, 0.2))))

    step(0.5)
    assert [len(texts) for texts in seen] == [0, 1, 0, 0]


def test_what_moves_nothing_is_seen_of_one_array_and_of_a_flattened_tree():
    text = idle(*NORM, on="")
    assert found(project, jnp.ones(3)) == [text]
    assert found(project, jnp.ones((3, 2))) == []
    assert found(optax.flatten(optax.chain(SGD, project))) == [text]
    nested = optax.lookahead(optax.chain(SGD, transforms.project(NO_NORM)), 5, 0.5)
    assert found(nested, optax.LookaheadParams.init_synced(PARAMS)) == [idle(*NORM, on=" (on 'fast/dense/bias')")]


def test_a_warning_is_shown_once():
    tx = optax.chain(*WRONG["growth"][0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            diagnostics.describe(tx, PARAMS)
    assert len(caught) == 1


def test_two_learning_rates_are_one_too_many():
    params = {"w": jnp.ones(3)}
    for second in (optax.sgd(0.1), optax.sgd(optax.linear_schedule(0.1, 0.01, 5))):
        with pytest.warns(
            diagnostics.ChainOrderWarning, match="a learning rate too, so steps climb the loss: take one optimizer"
        ):
            diagnostics.describe(optax.chain(optax.adam(1e-3), second), params)
    quiet = [
        optax.chain(optax.adam(1e-3), optax.scale(-1.0)),  # to maximize
        optax.chain(optax.adam(1e-3), optax.scale(0.5)),
        optax.chain(
            optax.masked(optax.sgd(0.1), {"w": True, "b": False}),
            optax.masked(optax.adam(0.1), {"w": False, "b": True}),
        ),
    ]
    for optimizer, tree in zip(quiet, [params, params, params | {"b": jnp.ones(2)}], strict=True):
        assert diagnostics.describe(optimizer, tree).warnings == ()
