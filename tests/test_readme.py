"""What the README shows is what runs."""

import pathlib
import runpy

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
