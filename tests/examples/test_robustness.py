import csv
import importlib

import numpy as np
import pytest
from matplotlib import image


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("robustness")


def test_run(script, tmp_path, capsys):
    script.main(["--epochs", "30", "--seeds", "2", "--out", str(tmp_path)])
    captured = capsys.readouterr()
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") in captured.out
    assert "150/150" in captured.err
    for name in ("robustness.png", "reliability.png"):
        assert np.std(image.imread(tmp_path / name)[..., :3]) > 0.05
    with (tmp_path / "table.csv").open() as file:
        table = {row["method"]: {k: float(v) for k, v in row.items() if k != "method"} for row in csv.DictReader(file)}
    assert list(table) == [method.name for method in script.METHODS]
    for row in table.values():
        assert row["accuracy_noise_0.0"] > 85 and row["accuracy_noise_0.0"] > row["accuracy_noise_0.6"]
    # What each is for: the penalty makes the Jacobian smaller and the network robust, smoothing makes it less sure.
    assert table["Jacobian"]["jacobian"] < table["none"]["jacobian"] / 2
    assert table["Jacobian"]["accuracy_noise_0.4"] > table["none"]["accuracy_noise_0.4"] + 2
    assert table["label smoothing"]["calibration_error"] > table["none"]["calibration_error"] + 3


def test_calibration_error_by_hand(script):
    confidence = np.array([0.95, 0.95, 0.55, 1.0])
    correct = np.array([True, False, True, True])
    # Bin 5: |1 - 0.55| with share 1/4; bin 9: |2/3 - 2.9/3| with share 3/4.
    assert script.calibration_error(confidence, correct) == pytest.approx(0.45 / 4 + 0.3 * 3 / 4)
    share, confident, accurate = script.bins(confidence, correct)
    np.testing.assert_allclose(share, [0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.75])
    assert np.isnan(accurate[0]) and confident[9] == pytest.approx(2.9 / 3)


def test_wrong_options_give_one_line(script, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(["--seeds", "none"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("robustness.py: error: ") and message.count("\n") == 1 and "'none'" in message
