"""Learning rates in a chain, as far as they can be seen."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from regjax.diagnostics._action import number_at
from regjax.diagnostics._inside import Part
from regjax.diagnostics._known import ADAPTIVE, CLIPS, is_optax, name_of, on_leaves, touching

# Those that neither are part of a learning rate nor, as momentum does, call for another step size than that.
_BESIDE_THE_RATE = {"add_decayed_weights", "add_noise", "zero_nans"} | CLIPS - {"reduce_on_plateau"}
_BESIDE_THE_RATE |= {name for name in ADAPTIVE if name.startswith("scale_by_")}
# The steps at which learning rates are compared, besides the one that is asked for.
_COMPARED_AT = (0, 1, 10, 100, 1_000, 10_000)
# What is done with a rate, and what comes of another one than the optimizer's.
_OF_A_STEP = "steps by", "what is minimized is not loss plus penalty"
_OF_A_DECAY = "takes a learning rate of", "the decay is not that of `optax.adamw`"
# From what share of the weights on it is likely that a decay without a learning rate was meant to have one.
_STRONG = 0.01
# Those of Optax that pass on the updates of what is before or inside of them, most of the time.
_WITHOUT_A_SCALE = {"MultiSteps", "apply_if_finite", "keep_params_nonnegative", "zero_nans"}


def sign_of(part: Part, step: int) -> int:
    """Returns the sign of what updates are multiplied by; 0 where that is not known."""
    if part.library == "regjax":
        return 1
    if part.library != "optax" or part.told.transform.startswith("stateless"):
        return 0  # `optax.stateless` is made of a function of somebody else
    if part.told.transform == "scale":
        return _of_number(number_at(part.facts.get("step_size"), step))
    if part.told.transform == "scale_by_schedule":
        schedule: Any = part.facts.get("step_size_fn")
        if getattr(schedule, "__qualname__", "").startswith("scale_by_learning_rate."):
            flips = dict(zip(schedule.__code__.co_freevars, schedule.__closure__ or (), strict=True)).get("m")
            return 0 if flips is None else _of_number(flips.cell_contents)
        return _of_number(number_at(schedule, step))
    return 1


def has_learning_rate(part: Part, step: int) -> bool:
    """Tells a learning rate, which turns gradients into steps; `optax.scale(-1.0)` by itself is for maximizing."""
    turns = part.told.transform == "scale" and number_at(part.facts.get("step_size"), step) == -1
    return sign_of(part, step) < 0 and not turns


def _of_number(number: float | None) -> int:
    return 0 if number is None else (number > 0) - (number < 0)


def other_rates(part: Part, before: Sequence[Part], step: int) -> Iterator[str]:
    """Says where the step size of a proximal operator, or the rate of a decay, is not the learning rate before it."""
    settings = part.told.settings
    if part.hidden_in is not None or settings["learning_rate"] is None or settings.get("weight_decay") == 0:
        return
    takes, follows = _OF_A_DECAY if name_of(part) == "decoupled_weight_decay" else _OF_A_STEP
    met = touching(part, before)
    alike: dict[tuple[int, ...], list[str]] = {}
    for path in part.told.leaves:
        alike.setdefault(tuple(at for at, other in enumerate(met) if path in other.told.leaves), []).append(path)
    for places, paths in alike.items():
        found = _difference(part, [met[at] for at in places], step)
        if found:
            at, own, rate = found
            yield (
                f"`{part.told.transform}` {takes} {own:g} at step {at}, where the learning rate is {rate:g}, so "
                f"{follows}: give it the learning rate of the optimizer{on_leaves(paths)}"
            )


def decays_without_a_rate(part: Part, after: Sequence[Part]) -> Iterator[str]:
    """Says that a decay does not follow the learning rate, if it is known and strong, and nothing later changes it."""
    decay = part.told.settings["weight_decay"]
    # A decay to an anchor is no decay of weights; a number that may be changed may be changed with the learning rate.
    told = part.told.settings["learning_rate"] is not None or "anchor" in part.told.settings
    if told or part.injected or part.hidden_in is not None or not isinstance(decay, int | float) or decay < _STRONG:
        return
    changed = {path for other in after if not _passes_on(other) for path in other.told.leaves}
    paths = [path for path in part.told.leaves if path not in changed]
    if paths:
        yield (
            f"`{part.told.transform}` has no learning rate, so weights shrink by {decay:g} of their size at each step, "
            "whatever the learning rate of the optimizer is: give `learning_rate=` as in `optax.adamw`, or use a "
            f"smaller decay{on_leaves(paths)}"
        )


def _passes_on(part: Part) -> bool:
    """Tells whether a transformation does not scale, clip or replace the updates that it is given."""
    return part.library == "regjax" or is_optax(part, _WITHOUT_A_SCALE)


def _difference(part: Part, before: Sequence[Part], step: int) -> tuple[int, float, float] | None:
    """Returns a step, the step size and the learning rate there, if they are known to differ."""
    factors = _learning_rate(before, step)
    # A metric that is given may have a scale of its own; one that is read from an optimizer is that of its steps.
    if not factors or (part.told.transform == "proximal_step" and part.told.settings.get("metric") is not None):
        return None
    found = []
    for at in [step] if any(each.injected for each in (part, *before)) else [step, *_COMPARED_AT]:
        own, *numbers = (number_at(value, at) for value in (part.told.settings["learning_rate"], *factors))
        known = [number for number in numbers if number is not None]
        if own is None or len(known) < len(factors):
            return None
        found.append((at, own, -math.prod(known)))
    largest = max(max(abs(own), abs(rate)) for _, own, rate in found)
    return next((each for each in found if not math.isclose(*each[1:], rel_tol=1e-3, abs_tol=1e-6 * largest)), None)


def _learning_rate(before: Sequence[Part], step: int) -> list[Any]:
    """Returns numbers and schedules whose product is minus the learning rate; none where it is not known."""
    factors: list[Any] = []
    for part in before:
        scales = is_optax(part, {"scale", "scale_by_schedule"})
        if scales and (factors or has_learning_rate(part, step)):
            factors.append(part.facts.get("step_size", part.facts.get("step_size_fn")))
        # What multiplies gradients before may undo a scale of the loss.
        elif part.library != "regjax" and not is_optax(part, _BESIDE_THE_RATE | {"scale"}):
            return []
    return factors
