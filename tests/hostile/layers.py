"""A good call of every public layer, found out from signatures, so that a new layer joins by itself."""

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

ROOMS = ("linen", "nnx")
KEY = jax.random.key(0)
X = jnp.linspace(-1.0, 1.0, 24).reshape(4, 2, 3)
# What the parameters without a default get, in the constructor and in the call; a new name is to be added here.
_GOOD = {
    "block_size": 2,
    "inputs": X,
    "num_features": 3,
    "num_masks": 2,
    "rate": 0.5,
    "scale": 1.5,
    "stddev": 0.5,
    "virtual_batch_size": 2,
    "x": X,
}
_GOOD_FOR = {("EmbeddingDropout", "inputs"): jnp.array([[0, 1], [4, 0]])}
_INSIDE = {
    "linen": {"layer": nn.Dense(3), "residual": nn.Dense(3)},
    "nnx": {"layer": nnx.Linear(3, 3, rngs=nnx.Rngs(0)), "residual": nnx.Linear(3, 3, rngs=nnx.Rngs(0))},
}
_TABLES = {"linen": nn.Embed(5, 3), "nnx": nnx.Embed(5, 3, rngs=nnx.Rngs(0))}
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A public layer, with arguments by name that make it draw.

    Attributes:
      room: linen or nnx.
      made: its class.
    """

    room: str
    made: type

    @functools.cached_property
    def constructor(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of the constructor."""
        # Of an NNX module, the signature of the class itself says nothing.
        function = self.made if self.room == "linen" else functools.partial(self.made.__init__, None)
        return _named(function)

    @functools.cached_property
    def call(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of the call."""
        return _named(functools.partial(self.made.__call__, None))

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        """What the constructor takes without complaint."""
        return {name: self._good(name) for name, p in self.constructor.items() if p.default is p.empty}

    @functools.cached_property
    def inputs(self) -> dict[str, Any]:
        """What the call takes without complaint; it is that of training."""
        good = {name: self._good(name) for name, p in self.call.items() if p.default is p.empty}
        variadic = {} if "inputs" in good or "x" in good else {"args": X}
        switches = {"deterministic": False, "use_running_average": False}
        return good | variadic | {name: value for name, value in switches.items() if name in self.call}

    @property
    def places(self) -> list[tuple[str, str]]:
        """All parameters, each with where it is: in the constructor or the call."""
        return [("constructor", name) for name in self.constructor] + [("call", name) for name in self.call]

    def changed(self, place: str, name: str, value: Any) -> Any:
        """Makes the layer and calls it with one argument changed, which is used."""
        if place == "call":
            return self(call={name: value})
        # What the call says goes before what the layer says.
        return self({name: value}, {name: None} if name in {"deterministic", "use_running_average"} else {})

    def __call__(self, constructor: Mapping[str, Any] | None = None, call: Mapping[str, Any] | None = None) -> Any:
        """Makes the layer and calls it, with some arguments changed."""
        # Streams move on: each layer has new ones.
        streams = {"rngs": nnx.Rngs(0)} if "rngs" in self.constructor else {}
        layer = self.made(**self.arguments | streams | dict(constructor or {}))
        given = self.inputs | dict(call or {})
        # Arguments that are passed on are the inputs of the layer inside.
        positional = [given.pop("args")] if "args" in given else []
        if self.room == "nnx":
            return layer(*positional, **given)
        rngs = given.pop("rngs", {"dropout": KEY})
        return layer.apply(self._variables, *positional, **given, rngs=rngs, mutable=["batch_stats"])[0]

    @functools.cached_property
    def _variables(self) -> Any:
        given = dict(self.inputs)
        positional = [given.pop("args")] if "args" in given else []
        return self.made(**self.arguments).init(KEY, *positional, **given)

    def _good(self, name: str) -> Any:
        if name in _INSIDE[self.room]:
            return _TABLES[self.room] if self.made.__name__ == "EmbeddingDropout" else _INSIDE[self.room][name]
        return _GOOD_FOR.get((self.made.__name__, name), _GOOD.get(name))


def _named(function: Any) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if p.kind not in _VARIADIC}


def _all() -> dict[str, Layer]:
    found = {}
    for room in ROOMS:
        module = importlib.import_module(f"regjax.{room}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                found[f"{room}.{name}"] = Layer(room, thing)
    return found


LAYERS = _all()
