import csv
import importlib

import numpy as np
import pytest
from matplotlib import image


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("early_stopping")


def test_run(script, tmp_path, capsys):
    script.main(["--epochs", "60", "--seeds", "2", "--strengths", "3", "--patience", "3", "--out", str(tmp_path)])
    captured = capsys.readouterr()
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") in captured.out
    assert "6 of 6 lanes run" in captured.err
    picture = image.imread(tmp_path / "early_stopping.png")
    assert np.std(picture[..., :3]) > 0.05
    with (tmp_path / "table.csv").open() as file:
        weakest, _, strongest = csv.DictReader(file)
    assert float(weakest["best_epoch"]) <= float(weakest["last_epoch"]) < 60
    assert float(strongest["validation_loss"]) > float(weakest["validation_loss"])
    assert 90 < float(weakest["test_accuracy"]) < 98

    # The same shapes, so that no other program is compiled.
    strengths, running = np.geomspace(1e-5, 3e-2, 3), []
    stopped = script.sweep(strengths, [0, 1], patience=3, num_epochs=60, on_epoch=running.append)
    endless = script.sweep(strengths, [0, 1], patience=61, num_epochs=60, on_epoch=lambda running: None)
    assert endless.curves.shape == (60, 3, 2)
    assert (running[0], running[-1]) == (6, 0)
    assert running == sorted(running, reverse=True)
    for lane in np.ndindex(3, 2):
        last, best = stopped.last_epoch[lane], stopped.best_epoch[lane]
        curve = stopped.curves[(slice(None), *lane)]
        # Up to its stop a lane is the lane that never stops, and then it stands still.
        np.testing.assert_array_equal(curve[:last], endless.curves[(slice(None, last), *lane)])
        assert np.all(np.isnan(curve[last:]))
        assert last == best + 3
        assert np.nanargmin(curve) == best - 1
        assert np.all(np.diff(curve[:last]) != 0)
        assert stopped.validation_loss[lane] == curve[best - 1]


@pytest.mark.parametrize(("arguments", "says"), [(["--patience", "0"], "'0'"), (["--out", ""], "empty")])
def test_wrong_options_give_one_line(script, arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(arguments)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("early_stopping.py: error: ") and message.count("\n") == 1 and says in message
