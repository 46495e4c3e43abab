"""What is inside an optimizer, in the order in which updates pass through it.

Transformations of regjax tell what they do when they are initialized (:mod:`regjax._src.recorder`). Those of Optax are
functions that know nothing of it, but the names of these functions and what they close over say what they are. Where
that is not so, as with wrappers of other libraries, only what is told is known.
"""

import contextlib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from regjax._src import recorder
from regjax._src.paths import leaf_paths
from regjax._src.recorder import Told
from regjax._src.types import PyTree
from regjax.diagnostics._action import Injected, number_at


class Part(NamedTuple):
    """One transformation inside an optimizer.

    Attributes:
      told: what it does.
      library: where it is from.
      facts: what its functions close over.
      hidden_in: the wrapper that nobody can look into and that calls it, if there is one: in which order it calls those
        inside of it is not known.
      injected: whether its numbers may be changed, or follow a schedule of which they are one value, as those inside
        `optax.inject_hyperparams` do.
    """

    told: Told
    library: str
    facts: Mapping[str, Any]
    hidden_in: Any = None
    injected: bool = False


def parts(optimizer: Any, params: PyTree, step: int) -> list[Part]:
    """Returns the transformations inside an optimizer, initialized abstractly.

    Raises:
      ValueError: as the initialization of the optimizer does.
    """
    heard = _heard(optimizer, params)
    try:
        found = _walk(optimizer, _abstract(params), step)
    except Exception:  # what is inside is other people's, and need not look as expected
        found = []
    seen = [(part.told.transform, len(part.told.leaves)) for part in found if part.library == "regjax"]
    if seen == [(told.transform, len(told.leaves)) for told in heard]:
        return found
    return [Part(told, "regjax", {}, optimizer) for told in heard]


def _heard(optimizer: Any, params: PyTree) -> list[Told]:
    def init(params: PyTree) -> PyTree:  # a new function each time, because JAX does not trace one twice
        return optimizer.init(params)

    with recorder.listen() as heard:
        jax.eval_shape(init, params)
    return heard


def _abstract(params: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), jax.numpy.result_type(leaf)), params)


def _walk(node: Any, params: PyTree, step: int) -> list[Part]:
    """Finds the parts of one transformation that is given `params`."""
    library, name = _origin(node.update)
    facts = _facts(node)
    if library == "optax" and name in _WRAPPERS:
        with contextlib.suppress(Exception):  # as above
            inside = _WRAPPERS[name](facts, params, step)
            found = [part for one in inside for part in _below(one.path, _walk(one.node, one.params, step))]
            return [part._replace(injected=True) for part in found] if name == "inject_hyperparams" else found
    held = {_bare(value).update: value for value in facts.values() if isinstance(value, _TRANSFORMATION)}
    # Of several nobody knows in which order they are used.
    inner = [part for value in held.values() for part in _walk(value, params, step)] if len(held) == 1 else []
    # What is Optax's own and wraps nothing has nothing to tell, and listening takes time.
    told = [] if library == "optax" and not held else _heard(node, params)
    told = told[sum(part.library == "regjax" for part in inner) :]
    found = [Part(one, "regjax", facts, None if library == "regjax" else node) for one in told]
    if library != "regjax" and (library, name) != ("optax", "identity"):
        numbers = {key: value for key, value in facts.items() if isinstance(value, int | float) and key[0] != "_"}
        found.append(Part(Told(name, dict.fromkeys(leaf_paths(params), ()), numbers), library, facts))
    return inner + found


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    """Returns the library and the name of the function that made the function of a transformation."""
    module = (getattr(function, "__module__", None) or "").split(".")
    name = getattr(function, "__qualname__", type(function).__name__).split(".")[0]
    return ".".join(module[: 2 if module[1:2] == ["contrib"] else 1]), name


_TRANSFORMATION = (optax.GradientTransformation, optax.MultiSteps)


def _facts(node: Any) -> dict[str, Any]:
    """Returns what the functions of a transformation close over, or the attributes of its object."""
    facts: dict[str, Any] = {}
    for function in (node.init, node.update):
        owner = getattr(function, "__self__", None)
        if owner is not None:
            facts |= getattr(owner, "__dict__", {})
        elif getattr(function, "__closure__", None):
            cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
            facts |= {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}
    return facts


def _bare(node: Any) -> Any:
    """Returns a transformation without what makes it ignore extra arguments."""
    if _origin(node.update) == ("optax", "with_extra_args_support"):
        return _bare(_facts(node)["tx"])
    return node


def _below(path: str, found: Iterable[Part]) -> list[Part]:
    def at(own: str) -> str:
        return "/".join(filter(None, [path, own]))

    def moved(told: Told) -> Told:
        idle = tuple((operator, tuple(map(at, paths))) for operator, paths in told.idle)
        return told._replace(leaves={at(own): some for own, some in told.leaves.items()}, idle=idle)

    return [part._replace(told=moved(part.told)) if path else part for part in found]


class _Inside(NamedTuple):
    """A transformation inside a wrapper, the parameters that it gets, and where they are in those of the wrapper."""

    node: Any
    params: PyTree
    path: str = ""


def _of_chain(facts: Mapping[str, Any], params: PyTree, _: int) -> list[_Inside]:
    pairs = zip(facts["init_fns"], facts["update_fns"], strict=True)
    return [_Inside(optax.GradientTransformationExtraArgs(*pair), params) for pair in pairs]


def _of_masked(facts: Mapping[str, Any], params: PyTree, _: int) -> list[_Inside]:
    return _given([facts["inner"]], lambda probes: optax.masked(probes[0], facts["mask"]), params)


def _of_partition(facts: Mapping[str, Any], params: PyTree, _: int) -> list[_Inside]:
    labels, inner = zip(*facts["transforms"].items(), strict=True)

    def partition(probes: list[Any]) -> Any:
        return optax.partition(dict(zip(labels, probes, strict=True)), facts["param_labels"])

    return _given(inner, partition, params)


def _of_lookahead(facts: Mapping[str, Any], params: PyTree, _: int) -> list[_Inside]:
    inner = facts["fast_optimizer"]
    return [_Inside(inner, params.fast, "fast") if hasattr(params, "fast") else _Inside(inner, params)]


def _of_inject_hyperparams(facts: Mapping[str, Any], params: PyTree, step: int) -> list[_Inside]:
    scheduled = {name: number_at(value.schedule_fn, step) for name, value in facts["sched_hps"].items()}
    numbers = {name: Injected(value) for name, value in (facts["numeric_hps"] | scheduled).items()}
    return [_Inside(facts["inner_factory"](**facts["other_hps"], **numbers), params)]


# What is inside Optax's own wrappers, in order, by what they close over.
_WRAPPERS: dict[str, Callable[[Mapping[str, Any], PyTree, int], list[_Inside]]] = {
    "chain": _of_chain,
    "inject_hyperparams": _of_inject_hyperparams,
    "lookahead": _of_lookahead,
    "masked": _of_masked,
    "named_chain": lambda facts, params, _: [_Inside(node, params) for _, node in facts["transforms"]],
    "partition": _of_partition,
    "with_extra_args_support": lambda facts, params, _: [_Inside(facts["tx"], params)],
}


def _given(inner: Sequence[Any], wrap: Callable[[list[Any]], Any], params: PyTree) -> list[_Inside]:
    """Finds out what a wrapper gives to the transformations inside of it: it wraps probes in their place."""
    given: dict[int, PyTree] = {}

    def probe(place: int) -> optax.GradientTransformation:
        def init(params: PyTree) -> optax.EmptyState:
            given[place] = _abstract(params)
            return optax.EmptyState()

        return optax.GradientTransformation(init, optax.identity().update)

    jax.eval_shape(wrap([probe(place) for place in range(len(inner))]).init, params)
    return [_Inside(node, given[place]) for place, node in enumerate(inner)]
