"""Every public name has a formula, an example and a paper, and the page of the reference shows it."""

import functools
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import regjax

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = sorted(m.name for m in pkgutil.iter_modules(regjax.__path__) if m.ispkg and not m.name.startswith("_"))
NAMES = [f"{room}.{name}" for room in ROOMS for name in importlib.import_module(f"regjax.{room}").__all__]

WANTED = {
    "formula": re.compile(r":math:`|\.\. math::"),
    "example": re.compile(r"(?m)^ *>>> "),
    "paper": re.compile(r"(?s)\nReferences:\n.*<https?://[^>]+>`_"),
}

# What has none, and why. All else has all three, or is a form of a function that has, and refers to it: the modules of
# Flax, the values made of penalties and projections.
WITHOUT = {
    "a result or a state, told by the function that gives it": (
        {"formula", "example", "paper"},
        {
            "augment.Mixed",
            "diagnostics.Action",
            "diagnostics.Description",
            "diagnostics.Report",
            "diagnostics.Row",
            "diagnostics.Step",
            "pruning.Pruned",
            "stopping.EarlyStopping",
            "stopping.EarlyStoppingState",
            "transforms.AcceleratedState",
            "transforms.DecoupledWeightDecayState",
            "transforms.FreezeWhenStoppedState",
            "transforms.ProximalState",
            "transforms.ProximalStepState",
        },
    ),
    "a kind of value, made by the functions of its room": (
        {"formula", "example", "paper"},
        {"constraints.Constraint", "masks.Mask", "regularizers.Regularizer", "transforms.Metric"},
    ),
    "a warning": ({"formula", "example", "paper"}, {"diagnostics.ChainOrderWarning"}),
    "it selects leaves": (
        {"formula", "paper"},
        {
            "masks.all_of",
            "masks.as_mask",
            "masks.exclude",
            "masks.first_match",
            "masks.min_ndim",
            "masks.no_bias_or_norm",
            "masks.path",
            "masks.resolve",
            "masks.select",
        },
    ),
    "it combines other functions": (
        {"formula", "paper"},
        {
            "augment.compose",
            "augment.per_example",
            "augment.random_apply",
            "augment.random_choice",
            "constraints.by_path",
            "regularizers.by_path",
        },
    ),
    "it tells what is there": (
        {"paper"},
        {
            "diagnostics.group_sparsity",
            "diagnostics.norms",
            "diagnostics.scalars",
            "diagnostics.sparsity",
        },
    ),
    "it tells of rules": ({"formula", "paper"}, {"diagnostics.describe"}),
}


@functools.cache
def text(name):
    room, own = name.split(".")
    return inspect.getdoc(getattr(importlib.import_module(f"regjax.{room}"), own)) or ""


def told_by(name):
    """Returns the docstrings that tell of a name: its own, and those of the functions of which it is a form."""
    if name.split(".")[0] not in {"constraints", "linen", "nnx", "regularizers"}:
        return [text(name)]
    others = [other.group(1) for other in re.finditer(r":(?:func|class):`regjax\.(\w+\.\w+)`", text(name))]
    return [text(name), *(text(other) for other in others if other in NAMES)]


def missing(name):
    return {what for what, pattern in WANTED.items() if not any(pattern.search(doc) for doc in told_by(name))}


@pytest.mark.parametrize("name", NAMES)
def test_formula_example_and_paper(name):
    allowed = set().union(*(kinds for kinds, names in WITHOUT.values() if name in names))
    assert missing(name) == allowed & missing(name)


def test_the_exceptions_are_needed():
    names = [name for _, some in WITHOUT.values() for name in some]
    assert sorted(names) == sorted(set(names) & set(NAMES))
    for kinds, some in WITHOUT.values():
        assert kinds == set().union(*map(missing, some))
        assert [name for name in some if not missing(name)] == []


@pytest.mark.slow
def test_the_reference_shows_every_name(tmp_path):
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-d", tmp_path / "cache", ROOT / "docs", tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for room in ROOMS:
        page = (tmp_path / "site" / "rooms" / f"{room}.html").read_text()
        shown = set(re.findall(rf'id="regjax\.({room}\.\w+)"', page))
        assert shown >= {name for name in NAMES if name.startswith(f"{room}.")}
        assert page.count("system-message") == page.count("Alias for field number") == 0
