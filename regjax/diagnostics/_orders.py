"""Wrong orders in a chain, as far as they can be seen.

What is judged is a known part before or after another known part on the same leaf. Of parts that nobody here knows
nothing is said, nor of what comes before or after them where it depends on them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

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


def wrong_orders(parts: Sequence[Part], step: int) -> tuple[str, ...]:
    """Returns a sentence for each transformation that is in a wrong place, and what to do about it."""
    found = (judge(part, parts[:at], parts[at + 1 :], step) for at, part in enumerate(parts) for judge in _JUDGES)
    return tuple(filter(None, found))


# Each of the following returns a sentence on one kind of mistake of a part, given what is before and after it, or "".


def _after_projection(part: Part, _: Sequence[Part], after: Sequence[Part], __: int) -> str:
    movers = _touching(part, after, lambda other: _moves(other) or _shrinks(other))
    if _name(part) != "project" or not movers:
        return ""
    return (
        f"`project` comes before {_names(movers)}, which may leave the set again: put `project` after"
        f"{_on(part, movers)}"
    )


def _after_prox(part: Part, _: Sequence[Part], after: Sequence[Part], __: int) -> str:
    movers = _touching(part, after, _moves)
    if not _shrinks(part) or not movers:
        return ""
    name = f"`{_name(part)}`"
    return f"{name} comes before {_names(movers)}, which may move weights off zero: put {name} after{_on(part, movers)}"


def _decay_before_optimizer(part: Part, _: Sequence[Part], after: Sequence[Part], step: int) -> str:
    scaled = _touching(part, after, lambda other: _is_optax(other, _ADAPTIVE) or _sign(other, step) < 0)
    if _name(part) != "decoupled_weight_decay" or not scaled:
        return ""
    return (
        f"`decoupled_weight_decay` comes before {_names(scaled)}, where the decay becomes something else: "
        f"put it after the learning rate{_on(part, scaled)}"
    )


def _growth(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> str:
    if not _is_optax(part, {"add_decayed_weights"}) or (number_at(part.facts.get("weight_decay"), step) or 0) <= 0:
        return ""
    paths = _where_it_is_a_step(part, before, after, step)
    if not paths:
        return ""
    return (
        "`add_decayed_weights` comes after the learning rate and makes weights grow: put it before, or "
        f"`regjax.transforms.decoupled_weight_decay` in its place{_at(paths)}"
    )


def _penalty_after_optimizer(part: Part, before: Sequence[Part], after: Sequence[Part], step: int) -> str:
    if _name(part) != "add_penalty_gradients":
        return ""
    paths = _where_it_is_a_step(part, before, after, step)
    if paths:
        return f"`add_penalty_gradients` comes after the learning rate and climbs the penalty: put it first{_at(paths)}"
    moments = _touching(part, before, lambda other: _is_optax(other, _ADAPTIVE))
    if not moments:
        return ""
    return (
        f"`add_penalty_gradients` comes after {_names(moments)}, so what is minimized is not loss plus penalty: "
        f"put it first{_on(part, moments)}"
    )


def _prox_in_another_metric(part: Part, before: Sequence[Part], _: Sequence[Part], __: int) -> str:
    moments = _touching(part, before, lambda other: _is_optax(other, _ADAPTIVE))
    if _name(part) != "proximal_step" or part.told.settings.get("metric") is not None or not moments:
        return ""
    return (
        f"`proximal_step` comes after {_names(moments)} and measures distance in another metric, so its zeros are not "
        "those of the stated problem: take `regjax.transforms.proximal_adam`, or `proximal` with the metric of the "
        f"optimizer{_on(part, moments)}"
    )


def _moves_the_frozen(part: Part, _: Sequence[Part], after: Sequence[Part], __: int) -> str:
    movers = _touching(part, after, lambda other: _decays(other) or _shrinks(other) or _name(other) == "project")
    if not _is_optax(part, {"set_to_zero"}) or not movers:
        return ""
    return (
        f"`set_to_zero` comes before {_names(movers)}, which may move frozen parameters: put it after, or mask them "
        f"out there{_on(part, movers)}"
    )


def _moves_the_stopped(part: Part, _: Sequence[Part], after: Sequence[Part], __: int) -> str:
    movers = _touching(part, after, lambda other: _goes_on(other) or _shrinks(other))
    if _name(part) != "freeze_when_stopped" or not movers:
        return ""
    return (
        f"`freeze_when_stopped` comes before {_names(movers)}, so parameters move after it has stopped: put it last"
        f"{_on(part, movers)}"
    )


def _around_accumulation(part: Part, before: Sequence[Part], _: Sequence[Part], __: int) -> str:
    accumulates = _touching(part, before, lambda other: _is_optax(other, {"MultiSteps"}))
    if not accumulates or not (_shrinks(part) or _name(part) == "decoupled_weight_decay"):
        return ""
    return (
        f"`{_name(part)}` comes after `MultiSteps` and acts at every mini-step: put it inside{_on(part, accumulates)}"
    )


_JUDGES: list[Callable[[Part, Sequence[Part], Sequence[Part], int], str]] = [
    _after_projection,
    _after_prox,
    _decay_before_optimizer,
    _growth,
    _penalty_after_optimizer,
    _prox_in_another_metric,
    _moves_the_frozen,
    _moves_the_stopped,
    _around_accumulation,
]


def _name(part: Part) -> str:
    """Returns the name of a transformation of regjax, and "" for others."""
    return part.told.transform if part.library == "regjax" else ""


def _is_optax(part: Part, names: set[str]) -> bool:
    return part.library.startswith("optax") and part.told.transform in names


def _shrinks(part: Part) -> bool:
    return _name(part) in {"proximal", "proximal_step"}


def _decays(part: Part) -> bool:
    return _name(part) == "decoupled_weight_decay" or _is_optax(part, {"add_decayed_weights"})


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
