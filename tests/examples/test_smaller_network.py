import csv
import importlib
import time

import numpy as np
import pytest
from matplotlib import image


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("smaller_network")


def test_run(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "NUM_PASSES", 3)
    script.main(["--epochs", "25", "--units", "24", "--strengths", "2", "--out", str(tmp_path)])
    captured = capsys.readouterr()
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") in captured.out
    assert "25/25" in captured.err and "3/3" in captured.err
    assert np.std(image.imread(tmp_path / "smaller_network.png")[..., :3]) > 0.05
    with (tmp_path / "table.csv").open() as file:
        none, weak, strong = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    before = 64 * 24 + 24 + 24 * 24 + 24 + 24 * 10 + 10
    for row in (none, weak, strong):
        pixels, first, second = row["pixels"], row["units_first"], row["units_second"]
        assert row["parameters_before"] == before
        assert row["parameters_after"] == pixels * first + first + first * second + second + second * 10 + 10
        assert row["largest_difference"] < 1e-4
        assert row["accuracy_before"] == pytest.approx(row["accuracy_after"], abs=0.11)
        assert min(row["milliseconds_before"], row["milliseconds_after"]) > 0
    assert none["strength"] == 0 and none["pixels"] == 64 and none["accuracy_after"] > 90
    assert 10 < strong["pixels"] <= weak["pixels"] < 64
    assert strong["parameters_after"] < before / 1.5 and strong["accuracy_after"] > 80


def test_times_are_medians_in_turns(script, monkeypatch):
    clock, calls = iter([0, 5, 10, 11, 20, 22, 30, 33, 40, 41, 50, 56]), []
    monkeypatch.setattr(script, "NUM_PASSES", 3)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert script.seconds(lambda: calls.append("before"), lambda: calls.append("after")) == (2, 3)
    assert calls == ["before", "after"] * 3


def test_wrong_options_give_one_line(script, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(["--units", "0"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("smaller_network.py: error: ") and message.count("\n") == 1 and "'0'" in message
