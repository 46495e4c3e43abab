import importlib
import os
import sys
import time

import numpy as np
import pytest


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("distributed")


def test_two_processes_train_as_one_does(script, capsys, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    results = script.main(["--epochs", "1"])
    first, second, two_devices, one_device = results.values()
    np.testing.assert_array_equal(first.params, second.params)
    np.testing.assert_array_equal(first.params, two_devices.params)
    np.testing.assert_allclose(first.params, one_device.params, atol=2e-4)
    assert first.params.shape == (64 * 64 + 64 + 64 * 10 + 10,)
    assert first.accuracy > 30 and 0 < first.zeros < 90
    printed = capsys.readouterr().out
    assert printed.count("bit for bit") >= 3 and all(name in printed for name in results)


def python(code):
    return [sys.executable, "-S", "-c", code]


def test_a_process_that_fails_ends_all(script, tmp_path):
    file = tmp_path / "waits"
    waits = f"import os, pathlib, time; pathlib.Path({str(file)!r}).write_text(str(os.getpid())); time.sleep(600)"
    # It fails once the other one is there to be stopped.
    fails = f"import os, sys\nwhile not (os.path.exists({str(file)!r}) and open({str(file)!r}).read()): pass\n"
    commands = [python(waits), python(fails + "sys.exit('no luck')")]
    with pytest.raises(SystemExit) as stopped:
        script._run(commands, str(tmp_path), time.monotonic() + 60)
    assert "failed with code 1" in str(stopped.value) and "no luck" in str(stopped.value)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_time_limit(script, tmp_path):
    with pytest.raises(SystemExit, match="time is up"):
        script._run([python("import time; time.sleep(600)")], str(tmp_path), time.monotonic())
