"""What the README shows is what runs."""

import importlib
import pathlib
import pkgutil
import re
import runpy

import regjax

ROOT = pathlib.Path(__file__).parents[1]


def blocks(language):
    parts = (ROOT / "README.md").read_text().split(f"```{language}\n")[1:]
    return [part.split("```")[0].strip() for part in parts]


def test_the_short_code_block_is_the_quickstart_example():
    docstring, code = (ROOT / "examples" / "quickstart.py").read_text().removeprefix('"""').split('"""', 1)
    assert "README" in docstring
    assert code.strip() == blocks("python")[0]


def test_the_quickstart_runs_and_drops_pixels(capsys):
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"))
    printed = capsys.readouterr().out
    accuracy = float(printed.split("test accuracy ")[1].split("%")[0])
    kept = int(printed.split("with ")[1].split(" of 64 pixels")[0])
    assert accuracy > 88
    assert 20 < kept < 60


def test_the_two_commands_are_there():
    assert blocks("sh") == [
        "python3 -m venv .venv && .venv/bin/pip install -e '.[examples]' && .venv/bin/python examples/digits.py",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest",
    ]


def test_every_name_that_the_readme_mentions_exists():
    text = re.sub(r"(?m)^\| (Keras|optax|torchvision) [^|]*", "", (ROOT / "README.md").read_text())
    rooms = "|".join(module.name for module in pkgutil.iter_modules(regjax.__path__) if module.ispkg)
    names = set(re.findall(rf"\b({rooms})\.([A-Za-z_0-9]+)\(?", text))
    assert len(names) > 50
    missing = [f"{room}.{name}" for room, name in names if not hasattr(importlib.import_module(f"regjax.{room}"), name)]
    assert missing == []


def test_every_technique_is_in_the_table():
    table = (ROOT / "README.md").read_text().split("## Techniques")[1].split("\n## ")[0]
    for room in ("penalties", "projections", "stochastic"):
        for name in importlib.import_module(f"regjax.{room}").__all__:
            assert f"`{room}.{name}`" in table or name in {"stochastic_depth_rates"}, name
    for name in importlib.import_module("regjax.transforms").__all__:
        assert f"transforms.{name}`" in table or name.endswith("State") or f"`{name}(" in table, name
