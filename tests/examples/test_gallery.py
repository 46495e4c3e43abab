"""The gallery knows every script, shows pictures that exist, and every script is run by a test."""

import importlib.util
import pathlib
import re

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GALLERY = (EXAMPLES / "README.md").read_text(encoding="utf-8")
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_every_script_is_in_the_gallery_and_no_other():
    assert len(SCRIPTS) > 10
    linked = re.findall(r"(?m)^### \[.+\]\((\w+\.py)\)$", GALLERY)
    assert sorted(linked) == SCRIPTS


def test_every_picture_exists_and_is_small():
    shown = re.findall(r"!\[[^\]]+\]\(pictures/(\w+\.png)\)", GALLERY)
    assert len(shown) == GALLERY.count("![") > 5
    assert sorted(shown) == sorted(path.name for path in (EXAMPLES / "pictures").glob("*.png"))
    for name in shown:
        path = EXAMPLES / "pictures" / name
        assert path.stat().st_size < 100_000, name
        with Image.open(path) as picture:
            assert 500 < picture.width <= 1100, name


def test_the_command_draws_every_picture():
    spec = importlib.util.spec_from_file_location("pictures", EXAMPLES / "pictures" / "__main__.py")
    assert spec is not None and spec.loader is not None
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    assert "python examples/pictures" in GALLERY
    drawn = {f"{name}.png" for name in (*command.SHORT, *command.WITH_OPTIONS)}
    assert drawn >= {path.name for path in (EXAMPLES / "pictures").glob("*.png")}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_run_by_a_test(script):
    name = script.removesuffix(".py")
    tests = [*(ROOT / "tests" / "examples").glob("test_*.py"), ROOT / "tests" / "test_readme.py"]
    texts = [path.read_text(encoding="utf-8") for path in tests if path != pathlib.Path(__file__)]
    assert any(re.search(rf'"{name}(\.py)?"', text) for text in texts)
