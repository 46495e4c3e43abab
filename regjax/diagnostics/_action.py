"""What is done to one leaf."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.recorder import Told
from regjax._src.shown import Shown
from regjax._src.value import Operators


class Scheduled(NamedTuple):
    """A number that a schedule gives.

    Attributes:
      step: the step that was looked at.
      value: the number there, None where the schedule cannot be asked for it.
    """

    step: int
    value: float | None

    def __repr__(self) -> str:
        return "<schedule>" if self.value is None else f"<schedule, {self.value:g} at step {self.step}>"


class Injected(float):
    """A number that `optax.inject_hyperparams` keeps in its state, where it may be changed."""

    def __repr__(self) -> str:
        return f"<injected, {float(self):g}>"


class Action(NamedTuple):
    """What one transformation, or a rule by itself, does to one leaf.

    Attributes:
      transform: the name of the transformation; "" for a rule by itself.
      operator: the name of the penalty or projection; "" where there is none.
      arguments: the numbers and options of the operator: its strength or bound, its axis.
      settings: those of the transformation: its learning rate, its metric.
      library: where the transformation is from: "regjax", "optax" or another.
    """

    transform: str
    operator: str
    arguments: dict[str, Any]
    settings: dict[str, Any]
    library: str = "regjax"

    def __str__(self) -> str:
        members = self.arguments.get("of")
        arguments = _listed(self.arguments) if members is None else ", ".join(members)
        what = ", ".join(filter(None, [self.operator and f"{self.operator}({arguments})", _listed(self.settings)]))
        return ": ".join(filter(None, [self.transform, what]))

    def as_dict(self) -> dict[str, Any]:
        """Returns it as dicts and lists that go to JSON."""
        return {
            "transform": self.transform,
            "operator": self.operator,
            "arguments": {name: _json(value) for name, value in self.arguments.items()},
            "settings": {name: _json(value) for name, value in self.settings.items()},
            "library": self.library,
        }


def actions_of(told: Told, library: str, step: int) -> dict[str, Action]:
    """Returns what a transformation does by the path of the leaf."""
    settings = {name: _at(value, step) for name, value in told.settings.items() if value is not None}
    made: dict[int, Action] = {}  # thousands of leaves share a few

    def action(operators: Operators) -> Action:
        if id(operators) not in made:
            made[id(operators)] = Action(told.transform, *operator_of(operators), settings, library)
        return made[id(operators)]

    return {path: action(operators) for path, operators in told.leaves.items()}


def operator_of(operators: Operators) -> tuple[str, dict[str, Any]]:
    """Returns the name and the arguments of the operator that several at once are."""
    if len(operators) > 1:
        return "intersection", {"of": tuple(Shown(operator) for operator in operators)}
    return (operators[0].name, operators[0].arguments) if operators else ("", {})


def number_at(value: Any, step: int) -> float | None:
    """Returns a number, or what a schedule says at a step; None where that is not known."""
    try:
        with jax.ensure_compile_time_eval():
            return float(str(np.asarray(value(jnp.int32(step)) if callable(value) else value)))
    except Exception:  # a schedule is a function of somebody else
        return None


def _at(value: Any, step: int) -> Any:
    return Scheduled(step, number_at(value, step)) if callable(value) else value


def _listed(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _json(value: Any) -> Any:
    if isinstance(value, Scheduled):
        return {"schedule": value._asdict()}
    if isinstance(value, Injected):
        return {"injected": float(value)}
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return str(value) if isinstance(value, Shown) else value
