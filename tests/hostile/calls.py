"""A good call of every public function, found out from `tests.cases`, so that a new function joins by itself."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from regjax import constraints, regularizers, stopping
from regjax._src.value import Rules, Value
from tests.cases import CONSTRAINTS, OTHERS, REGULARIZERS, STOCHASTIC, TRANSFORMS, TREE_CASES, tree


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """A public function with arguments by name.

    Attributes:
      name: the room and the function.
      function: the function.
      arguments: what it takes without complaint, in the order of the parameters.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.function).parameters)

    def __call__(self, **changed: Any) -> Any:
        positional, named = [], {}
        for name, value in (self.arguments | changed).items():
            kind = self.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                positional += [value] if name in changed else value
            elif kind is inspect.Parameter.KEYWORD_ONLY:
                named[name] = value
            else:
                positional.append(value)
        return self.function(*positional, **named)


class _Called(BaseException):
    pass


def _heard(name: str, call: Callable[[], Any]) -> Call:
    """Returns what `call` hands to the public function `name`, which is not run."""
    room, function_name = name.split(".")
    module = importlib.import_module(f"regjax.{room}")
    function = getattr(module, function_name)

    def listen(*arguments: Any, **keywords: Any) -> None:
        raise _Called(arguments, keywords)

    setattr(module, function_name, listen)
    try:
        call()
    except _Called as heard:
        arguments, keywords = heard.args
    finally:
        setattr(module, function_name, function)
    bound = inspect.signature(function).bind(*arguments, **keywords)
    bound.apply_defaults()
    return Call(name, function, dict(bound.arguments))


def _of_value(room: Any, value: Value | Rules) -> Call:
    if isinstance(value, Rules):
        name, arguments = "by_path", {"rules": dict(zip(value.patterns, value.rules, strict=True))}
    elif value.name == "intersection":
        members = [constraint for _, constraint in value.numbers]
        return _heard("constraints.intersection", lambda: room.intersection(*members))
    else:
        name, arguments = value.name, value.keywords
    room_name = room.__name__.split(".")[-1]
    return _heard(f"{room_name}.{name}", lambda: getattr(room, name)(**arguments))


def _all() -> Iterator[Call]:
    key, x = jax.random.key(0), jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    for case in TREE_CASES:
        yield _heard(case.name, lambda case=case: case(tree()))
    for name, call in STOCHASTIC.items():
        yield _heard(f"stochastic.{name.split()[0]}", lambda call=call: call(key, x))
    for name, call in TRANSFORMS.items():
        yield _heard(f"transforms.{name.split('-')[0]}", call)
    for name, call in OTHERS.items():
        # The rule that the list runs was made when it was read.
        is_rule = name == "stopping.early_stopping"
        yield _heard(name, (lambda: stopping.early_stopping(patience=1)) if is_rule else call)
    for value in REGULARIZERS:
        yield _of_value(regularizers, value)
    for value in CONSTRAINTS:
        yield _of_value(constraints, value)


# The last case of a function is as good as the first.
CALLS = {call.name: call for call in _all()}
