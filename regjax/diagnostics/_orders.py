"""Wrong orders in a chain, as far as they can be seen.

What is judged is a known part before or after another known part on the same leaf. Of parts that nobody here knows
nothing is said, nor of what comes before or after them where it depends on them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from regjax.diagnostics._action import number_at
from regjax.diagnostics._inside import Part


class ChainOrderWarning(UserWarning):
    """What :func:`regjax.diagnostics.describe` warns with when an order in a chain is known to be wrong."""


# Optax's transformations that divide by a diagonal or take the sign, each with names of its own making.
_ADAPTIVE = {
    "dadapt_adamw",
    "momo_adam",
    "prodigy",
    "scale_by_acprop",
    "scale_by_adadelta",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_adan",
    "scale_by_ademamix",
    "scale_by_adopt",
    "scale_by_amsgrad",
    "scale_by_belief",
    "scale_by_factored_rms",
    "scale_by_lion",
    "scale_by_novograd",
    "scale_by_radam",
    "scale_by_rms",
    "scale_by_rprop",
    "scale_by_rss",
    "scale_by_sign",
    "scale_by_simplified_ademamix",
    "scale_by_sm3",
    "scale_by_sophia",
    "scale_by_stddev",
    "scale_by_yogi",
}
# Those that add to updates, or go on moving when gradients stop.
_ADDS = {"add_decayed_weights", "add_noise", "apply_every", "ema", "trace"}
_CLIPS = {"adaptive_grad_clip", "centralize", "clip", "clip_by_block_rms", "clip_by_global_norm", "reduce_on_plateau"}


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


def wrong_orders(parts: Sequence[Part], step: int) -> tuple[str, ...]:
    """Returns a sentence for each transformation that is in a wrong place, and what to do about it."""
    return tuple(
        sentence for at, part in enumerate(parts) for sentence in _about(part, parts[:at], parts[at + 1 :], step)
    )


def _about(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> Iterator[str]:
    name = f"`{part.told.transform}`"
    paths = _where_it_is_a_step(part, before, after, step) if part.told.transform in _CLIMBS else []
    if paths and (_name(part) or _weight_decay(part, step) > 0):
        yield f"{name} comes after the learning rate and {_CLIMBS[part.told.transform]}{_at(paths)}"
        return
    for mistake in filter(lambda mistake: mistake.part(part), _MISTAKES):
        others = before if mistake.stands == "after" else after
        met = _touching(part, others, lambda other, kind=mistake.others: kind(other, step))
        if met:
            yield f"{name} comes {mistake.stands} {_names(met)}{mistake.text.replace('NAME', name)}{_on(part, met)}"


def _name(part: Part) -> str:
    """Returns the name of a transformation of regjax, and "" for others."""
    return part.told.transform if part.library == "regjax" else ""


def _is_optax(part: Part, names: set[str]) -> bool:
    return part.library.startswith("optax") and part.told.transform in names


def _shrinks(part: Part) -> bool:
    return _name(part) in {"proximal", "proximal_step"}


def _decays(part: Part) -> bool:
    return _name(part) == "decoupled_weight_decay" or _is_optax(part, {"add_decayed_weights"})


def _weight_decay(part: Part, step: int) -> float:
    """Returns the decay of a transformation of Optax, 0 where it has none or does not tell."""
    return (number_at(part.facts.get("weight_decay"), step) or 0) if _is_optax(part, {"add_decayed_weights"}) else 0


def _goes_on(part: Part) -> bool:
    """Tells whether a transformation moves what has no gradient."""
    return _decays(part) or _name(part) == "add_penalty_gradients" or _is_optax(part, _ADAPTIVE | _ADDS)


def _moves(part: Part) -> bool:
    """Tells whether parameters plus updates are other ones after a transformation."""
    scales = part.library.startswith("optax") and part.told.transform.split("_")[0] in {"scale", "normalize"}
    return scales or _goes_on(part) or _is_optax(part, _CLIPS)


def _where_it_is_a_step(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> list[str]:
    """Returns the leaves whose updates have the sign of a step where a part stands, no longer that of a gradient."""
    earlier, later = (
        [(other.told.leaves, _sign(other, step)) for other in _touching(part, s)] for s in (before, after)
    )

    def sign(known: Sequence[tuple[Any, int]], path: str) -> int:
        return math.prod(sign for leaves, sign in known if path in leaves)

    return [path for path in part.told.leaves if sign(earlier, path) < 0 < sign(later, path)]


def _sign(part: Part, step: int) -> int:
    """Returns the sign of what updates are multiplied by; 0 where that is not known."""
    if part.library == "regjax":
        return 1
    if part.library != "optax" or part.told.transform.startswith("stateless"):
        return 0  # `optax.stateless` is made of a function of somebody else
    if part.told.transform == "scale":
        return _sign_of(number_at(part.facts.get("step_size"), step))
    if part.told.transform == "scale_by_schedule":
        schedule: Any = part.facts.get("step_size_fn")
        if getattr(schedule, "__qualname__", "").startswith("scale_by_learning_rate."):
            flips = dict(zip(schedule.__code__.co_freevars, schedule.__closure__ or (), strict=True)).get("m")
            return 0 if flips is None else _sign_of(flips.cell_contents)
        return _sign_of(number_at(schedule, step))
    return 1


def _has_learning_rate(part: Part, step: int) -> bool:
    """Tells a learning rate, which turns gradients into steps; `optax.scale(-1.0)` by itself is for maximizing."""
    turns = part.told.transform == "scale" and number_at(part.facts.get("step_size"), step) == -1
    return _sign(part, step) < 0 and not turns


def _sign_of(number: float | None) -> int:
    return 0 if number is None else (number > 0) - (number < 0)


def _touching(part: Part, others: Sequence[Part], chosen: Callable[[Part], bool] = lambda _: True) -> list[Part]:
    """Returns those of other transformations that are chosen, in a known order and touch a leaf that `part` touches."""
    leaves = part.told.leaves.keys()
    ordered = [other for other in others if part.hidden_in is None or other.hidden_in is not part.hidden_in]
    return [other for other in ordered if chosen(other) and not leaves.isdisjoint(other.told.leaves)]


def _names(some: Sequence[Part]) -> str:
    names = list(dict.fromkeys(f"`{part.told.transform}`" for part in some))
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _on(part: Part, others: Sequence[Part]) -> str:
    """Returns on which leaves a part meets others."""
    there = {path for other in others for path in other.told.leaves}
    return _at([path for path in part.told.leaves if path in there])


def _at(paths: Sequence[str]) -> str:
    return f" (on {paths[0]!r}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''})"


# What adds to gradients, and what comes of it after the learning rate, where updates have the sign of a step.
_CLIMBS = {
    "add_decayed_weights": "makes weights grow: put it before, or `regjax.transforms.decoupled_weight_decay` in its "
    "place",
    "add_penalty_gradients": "climbs the penalty: put it first",
}
_MISTAKES = [
    _Mistake(
        lambda part: _has_learning_rate(part, 0),
        "after",
        _has_learning_rate,
        ", which is a learning rate too, so steps climb the loss: take one optimizer",
    ),
    _Mistake(
        lambda part: _name(part) == "project",
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
        lambda part: _name(part) == "decoupled_weight_decay",
        "before",
        lambda other, step: _is_optax(other, _ADAPTIVE) or _sign(other, step) < 0,
        ", where the decay becomes something else: put it after the learning rate",
    ),
    _Mistake(
        lambda part: _name(part) == "decoupled_weight_decay",
        "after",
        lambda other, step: _weight_decay(other, step) > 0,
        ", which decays the same weights: take one of them",
    ),
    _Mistake(
        lambda part: _name(part) == "add_penalty_gradients",
        "after",
        lambda other, _: _is_optax(other, _ADAPTIVE),
        ", so what is minimized is not loss plus penalty: put it first",
    ),
    _Mistake(
        lambda part: _name(part) == "proximal_step" and part.told.settings.get("metric") is None,
        "after",
        lambda other, _: _is_optax(other, _ADAPTIVE),
        " and measures distance in another metric, so its zeros are not those of the stated problem: take "
        "`regjax.transforms.proximal_adam`, or `proximal` with the metric of the optimizer",
    ),
    _Mistake(
        lambda part: _is_optax(part, {"set_to_zero"}),
        "before",
        lambda other, _: _decays(other) or _shrinks(other) or _name(other) == "project",
        ", which may move frozen parameters: put it after, or mask them out there",
    ),
    _Mistake(
        lambda part: _name(part) == "freeze_when_stopped",
        "before",
        lambda other, _: _goes_on(other) or _shrinks(other),
        ", so parameters move after it has stopped: put it last",
    ),
    _Mistake(
        lambda part: _shrinks(part) or _name(part) == "decoupled_weight_decay",
        "after",
        lambda other, _: _is_optax(other, {"MultiSteps"}),
        " and acts at every mini-step: put it inside",
    ),
]
