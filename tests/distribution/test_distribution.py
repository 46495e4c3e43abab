"""Sharded arrays give what unsharded ones do, under `jit` and `shard_map`, on eight devices made of one CPU."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.distribution.checks import CHECKS, HANGING, SLOW
from tests.processes import with_devices

ROOT = pathlib.Path(__file__).parents[2]


def _run(names: set[str], timeout: int = 900) -> dict[str, str]:
    command = [sys.executable, "-W", "error", "-m", "tests.distribution", *(name for name in CHECKS if name in names)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=with_devices(8), timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def quick():
    return _run(CHECKS.keys() - SLOW - HANGING)


@pytest.fixture(scope="module")
def hanging():
    return _run(HANGING, timeout=200)


@pytest.fixture(scope="module")
def everything():
    return _run(SLOW)


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in SLOW | HANGING])
def test_quick(name, quick):
    assert not quick[name], quick[name]


@pytest.mark.parametrize("name", sorted(HANGING))
def test_hanging(name, hanging):
    assert not hanging[name], hanging[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_everything(name, everything):
    assert not everything[name], everything[name]
