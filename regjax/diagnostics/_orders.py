"""Wrong orders in a chain, and what else is wrong there, as far as it can be seen.

What is judged is a known part before or after another known part on the same leaf. Of parts that nobody here knows
nothing is said, nor of what comes before or after them where it depends on them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from regjax.diagnostics._action import number_at
from regjax.diagnostics._idle import moves_nothing
from regjax.diagnostics._inside import Part
from regjax.diagnostics._known import ADAPTIVE, ADDS, CLIPS, is_optax, listed, name_of, on_leaves, touching
from regjax.diagnostics._rates import decays_without_a_rate, has_learning_rate, other_rates, sign_of
from regjax.diagnostics._sets import left_sets


class ChainOrderWarning(UserWarning):
    """What :func:`regjax.diagnostics.describe` warns with when an order, a rate or a rule in a chain is wrong."""


class _Mistake(NamedTuple):
    """A part that stands on the wrong side of others on the same leaf.

    Attributes:
      part: tells whether a part is of the kind that makes the mistake.
      stands: "before" or "after", where it is wrong.
      others: tells, at a step, whether another part is of those before or after which it is wrong.
      text: what follows from it, and what to do; `NAME` is the part.
    """

    part: Callable[[Part], bool]
    stands: str
    others: Callable[[Part, int], bool]
    text: str


def wrong_orders(parts: Sequence[Part], shapes: Mapping[str, tuple[int, ...]], step: int) -> tuple[str, ...]:
    """Returns a sentence for each transformation that is wrong in its place, and what to do about it."""
    found: list[str] = []
    for at, part in enumerate(parts):
        found += _about(part, parts[:at], parts[at + 1 :], step)
        if name_of(part) == "project":
            found += left_sets(part, parts[at + 1 :], shapes)
        if name_of(part) == "decoupled_weight_decay":
            found += decays_without_a_rate(part, parts[at + 1 :])
        if name_of(part) == "project" or _shrinks(part):
            found += moves_nothing(part, [*parts[:at], *parts[at + 1 :]])
    return tuple(found)


def _about(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> Iterator[str]:
    name = f"`{part.told.transform}`"
    paths = _where_it_is_a_step(part, before, after, step) if part.told.transform in _CLIMBS else []
    if paths and (name_of(part) or _weight_decay(part, step) > 0):
        yield f"{name} comes after the learning rate and {_CLIMBS[part.told.transform]}{on_leaves(paths)}"
        return
    if _shrinks(part) or name_of(part) == "decoupled_weight_decay":
        yield from other_rates(part, before, step)
    for mistake in filter(lambda mistake: mistake.part(part), _MISTAKES):
        others = before if mistake.stands == "after" else after
        met = touching(part, others, lambda other, kind=mistake.others: kind(other, step))
        if met:
            names = listed(other.told.transform for other in met)
            yield f"{name} comes {mistake.stands} {names}{mistake.text.replace('NAME', name)}{_on(part, met)}"


def _shrinks(part: Part) -> bool:
    return name_of(part) in {"proximal", "proximal_step"}


def _decays(part: Part) -> bool:
    return name_of(part) == "decoupled_weight_decay" or is_optax(part, {"add_decayed_weights"})


def _weight_decay(part: Part, step: int) -> float:
    """Returns the decay of a transformation of Optax, 0 where it has none or does not tell."""
    return (number_at(part.facts.get("weight_decay"), step) or 0) if is_optax(part, {"add_decayed_weights"}) else 0


def _goes_on(part: Part) -> bool:
    """Tells whether a transformation moves what has no gradient."""
    return _decays(part) or name_of(part) == "add_penalty_gradients" or is_optax(part, ADAPTIVE | ADDS)


def _moves(part: Part) -> bool:
    """Tells whether parameters plus updates are other ones after a transformation."""
    scales = part.library.startswith("optax") and part.told.transform.split("_")[0] in {"scale", "normalize"}
    return scales or _goes_on(part) or is_optax(part, CLIPS)


def _where_it_is_a_step(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> list[str]:
    """Returns the leaves whose updates have the sign of a step where a part stands, no longer that of a gradient."""
    earlier, later = (
        [(other.told.leaves, sign_of(other, step)) for other in touching(part, s)] for s in (before, after)
    )

    def sign(known: Sequence[tuple[Any, int]], path: str) -> int:
        return math.prod(sign for leaves, sign in known if path in leaves)

    return [path for path in part.told.leaves if sign(earlier, path) < 0 < sign(later, path)]


def _on(part: Part, others: Sequence[Part]) -> str:
    """Returns on which leaves a part meets others."""
    there = {path for other in others for path in other.told.leaves}
    return on_leaves([path for path in part.told.leaves if path in there])


# What adds to gradients, and what comes of it after the learning rate, where updates have the sign of a step.
_CLIMBS = {
    "add_decayed_weights": "makes weights grow: put it before, or `regjax.transforms.decoupled_weight_decay` in its "
    "place",
    "add_penalty_gradients": "climbs the penalty: put it first",
}
_MISTAKES = [
    _Mistake(
        lambda part: has_learning_rate(part, 0),
        "after",
        has_learning_rate,
        ", which is a learning rate too, so steps climb the loss: take one optimizer",
    ),
    _Mistake(
        lambda part: name_of(part) == "project",
        "before",
        lambda other, _: _moves(other) or _shrinks(other),
        ", which may leave the set again: put NAME after",
    ),
    _Mistake(
        _shrinks,
        "before",
        lambda other, _: _moves(other),
        ", which may move weights off zero: put NAME after",
    ),
    _Mistake(
        lambda part: name_of(part) == "decoupled_weight_decay",
        "before",
        lambda other, step: is_optax(other, ADAPTIVE) or sign_of(other, step) < 0,
        ", where the decay becomes something else: put it after the learning rate",
    ),
    _Mistake(
        lambda part: name_of(part) == "decoupled_weight_decay",
        "after",
        lambda other, step: _weight_decay(other, step) > 0,
        ", which decays the same weights: take one of them",
    ),
    _Mistake(
        lambda part: name_of(part) == "add_penalty_gradients",
        "after",
        lambda other, _: is_optax(other, ADAPTIVE),
        ", so what is minimized is not loss plus penalty: put it first",
    ),
    _Mistake(
        lambda part: name_of(part) == "proximal_step" and part.told.settings.get("metric") is None,
        "after",
        lambda other, _: is_optax(other, ADAPTIVE),
        " and measures distance in another metric, so its zeros are not those of the stated problem: take "
        "`regjax.transforms.proximal_adam`, or `proximal` with the metric of the optimizer",
    ),
    _Mistake(
        lambda part: is_optax(part, {"set_to_zero"}),
        "before",
        lambda other, _: _decays(other) or _shrinks(other) or name_of(other) == "project",
        ", which may move frozen parameters: put it after, or mask them out there",
    ),
    _Mistake(
        lambda part: name_of(part) == "freeze_when_stopped",
        "before",
        lambda other, _: _goes_on(other) or _shrinks(other),
        ", so parameters move after it has stopped: put it last",
    ),
    _Mistake(
        lambda part: _shrinks(part) or name_of(part) == "decoupled_weight_decay",
        "after",
        lambda other, _: is_optax(other, {"MultiSteps"}),
        " and acts at every mini-step: put it inside",
    ),
]
