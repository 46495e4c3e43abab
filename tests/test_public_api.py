"""The public surface keeps its own rules."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import regjax
from tests.cases import NAMES

ROOMS = sorted(m.name for m in pkgutil.iter_modules(regjax.__path__) if m.ispkg and not m.name.startswith("_"))
PUBLIC = [(room, name) for room in ROOMS for name in importlib.import_module(f"regjax.{room}").__all__]
FUNCTIONS = [pytest.param(*pair, id=".".join(pair)) for pair in PUBLIC]

# What may be given by position although it has a default: numbers that belong to the formula.
POSITIONAL = {"strength", "step_size", "bound", "learning_rate"}
# Modules have the signatures of Flax's own, and are documented by the functions that they are made of.
FLAX = {"linen", "nnx"}


def public(room, name):
    return getattr(importlib.import_module(f"regjax.{room}"), name)


def test_rooms_are_exported():
    assert sorted([*regjax.__all__, *FLAX]) == ROOMS
    assert regjax.__all__ == sorted(regjax.__all__)
    assert set(regjax.__all__) < set(dir(regjax))


@pytest.mark.parametrize("room", ROOMS)
def test_all_is_sorted_and_is_what_is_there(room):
    module = importlib.import_module(f"regjax.{room}")
    assert list(module.__all__) == sorted(module.__all__)
    there = {n for n, v in vars(module).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert set(module.__all__) == there
    assert module.__doc__


@pytest.mark.parametrize(("room", "name"), FUNCTIONS)
def test_docstrings_are_complete(room, name):
    thing = public(room, name)
    doc = inspect.getdoc(thing)
    assert doc and doc.splitlines()[0].endswith(".")
    if inspect.isclass(thing):
        return
    parameters = inspect.signature(thing).parameters
    for section in ["Returns:", "Examples:"] + (["Args:"] if parameters else []):
        assert f"\n{section}\n" in doc, section
    for parameter in parameters:
        assert f"\n  {parameter}: " in doc or f"*{parameter}: " in doc, parameter
    assert ">>>" in doc


@pytest.mark.parametrize(("room", "name"), [p for p in FUNCTIONS if p.values[0] not in FLAX])
def test_signatures_follow_the_rules(room, name):
    thing = public(room, name)
    if inspect.isclass(thing):
        return
    parameters = list(inspect.signature(thing).parameters.values())
    names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if "key" in names:
        assert names.index("key") == (1 if names[0] == "fn" else 0)
    for parameter in parameters:
        if parameter.default is not parameter.empty and parameter.name not in POSITIONAL:
            assert parameter.kind is parameter.KEYWORD_ONLY, parameter.name


def test_every_function_has_a_case():
    functions = {
        f"{room}.{name}" for room, name in PUBLIC if room not in FLAX and not inspect.isclass(public(room, name))
    }
    assert functions == NAMES


def test_linen_and_nnx_have_the_same_modules():
    linen, nnx = (
        {name for name in importlib.import_module(f"regjax.{room}").__all__ if name[0].isupper()}
        for room in sorted(FLAX)
    )
    assert linen == nnx


def test_importing_regjax_does_not_import_flax():
    code = "import sys, regjax; assert 'flax' not in sys.modules; print(regjax.__version__); regjax.linen"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == regjax.__version__
    assert "module 'regjax' has no attribute 'linen': `import regjax.linen` first" in done.stderr


def test_importing_regjax_imports_its_rooms_when_they_are_used():
    code = """
import sys
import jax, optax
light = set(sys.modules)
heavy = lambda *own: {m for m in set(sys.modules) - light if m.split(".")[0] not in sys.stdlib_module_names.union(own)}
import regjax
assert set(regjax.__all__) < set(dir(regjax)), dir(regjax)
assert heavy() == {"regjax"}, heavy()
from regjax import stochastic
assert regjax.stochastic is stochastic is sys.modules["regjax.stochastic"]
assert "regjax.transforms" not in sys.modules
for room in set(regjax.__all__) - {"uncertainty"}:
    getattr(regjax, room)
assert not heavy("regjax"), heavy("regjax")
regjax.uncertainty  # needs `jax.extend`, which is not loaded with JAX and loads Pallas
assert not heavy("regjax", "jax"), heavy("regjax", "jax")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.stderr


def test_unknown_rooms_are_unknown():
    with pytest.raises(AttributeError, match="module 'regjax' has no attribute 'nothing'$"):
        regjax.__getattr__("nothing")
    with pytest.raises(AttributeError, match="`import regjax.linen` first"):
        regjax.__getattr__("linen")
