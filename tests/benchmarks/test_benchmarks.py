"""The benchmarks run: in a small form, in which times mean nothing and are not judged."""

import json
import math

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import solutions

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", benchmarks.SCRIPTS)
def test_scripts_run(script, tmp_path, capsys):
    picture = ["--picture", str(tmp_path / "growth.svg")] if script == "growth" else []
    benchmarks.main([script, "--quick", "--json", str(tmp_path / "rows.json"), *picture])
    document = json.loads((tmp_path / "rows.json").read_text())
    assert document["quick"] and document["rows"]
    printed = capsys.readouterr().out
    for row in document["rows"]:
        assert row["name"] in printed
        assert row["ours"] is None or (math.isfinite(row["ours"]) and row["ours"] >= 0)
    if picture:
        assert "</svg>" in (tmp_path / "growth.svg").read_text()


def test_a_script_that_is_not_there_is_named(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["nothing"])
    assert "there is no script nothing" in capsys.readouterr().err


def test_the_picture_needs_its_script(capsys, tmp_path):
    with pytest.raises(SystemExit):
        benchmarks.main(["mc", "--picture", str(tmp_path / "growth.svg")])
    assert "the picture is of growth" in capsys.readouterr().err


def test_solutions_are_printed(capsys):
    solutions.main(["lasso", "--method", "Adam"])
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("| diabetes | lasso | Adam |") and "equal" in line
