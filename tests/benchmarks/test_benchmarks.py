"""The benchmarks run: in a small form, in which times mean nothing and are not judged."""

import json
import math
import shutil

import numpy as np
import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import randomness, solutions

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


@pytest.mark.parametrize("name", randomness.STREAMS)
def test_streams_of_random_bits_have_as_many_ones_as_zeros_and_go_on(name, monkeypatch):
    monkeypatch.setattr(randomness, "SHAPE", (64, 4096))
    blocks = randomness.stream(randomness.STREAMS[name])
    first, second = (np.frombuffer(next(blocks), np.uint8) for _ in range(2))
    assert not np.array_equal(first, second)
    ones = np.unpackbits(first)
    assert abs(ones.mean() - 0.5) < 5 * 0.5 / np.sqrt(ones.size / 2)
    # Only the control has neighbors that are the same more often than one in 256.
    assert (np.mean(first[::2] == first[1::2]) > 0.02) == name.startswith("control")


def test_without_the_battery_nothing_is_judged(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    randomness.main([])
    assert "not installed" in capsys.readouterr().out
