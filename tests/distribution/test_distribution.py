"""Sharded arrays give what unsharded ones do, under `jit` and `shard_map`, on eight devices made of one CPU."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.distribution.checks import CHECKS, SLOW
from tests.processes import with_devices

ROOT = pathlib.Path(__file__).parents[2]


def _run(names: set[str]) -> dict[str, str]:
    command = [sys.executable, "-W", "error", "-m", "tests.distribution", *(name for name in CHECKS if name in names)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=with_devices(8), timeout=900
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def quick():
    return _run(CHECKS.keys() - SLOW)


@pytest.fixture(scope="module")
def everything():
    return _run(SLOW)


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in SLOW])
def test_quick(name, quick):
    assert not quick[name], quick[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_everything(name, everything):
    assert not everything[name], everything[name]
