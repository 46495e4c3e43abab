"""The time that an import takes beyond that of JAX and Optax, in fresh processes."""

import compileall
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import regjax
from tests.benchmarks.measure import Row, spread

PEER = "import jax, optax"
OURS = {
    "import regjax": "import regjax",
    "import regjax, and transforms, regularizers, stochastic": (
        "import regjax; regjax.transforms, regjax.regularizers, regjax.stochastic"
    ),
    "import regjax, and all rooms": "import regjax; [getattr(regjax, room) for room in regjax.__all__]",
}
PROGRAM = "import time; start = time.perf_counter(); {}; middle = time.perf_counter(); {}; end = time.perf_counter()"
REPORT = "print(middle - start, end - middle)"


def imported(statement: str, folder: str) -> tuple[float, float]:
    """Returns the seconds of the peer's import and of what comes after it, in a process that starts in a folder."""
    program = [sys.executable, "-c", "; ".join([PROGRAM.format(PEER, statement), REPORT])]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True, env=os.environ)
    peer, ours = map(float, done.stdout.split())
    return peer, ours


def rows(quick: bool) -> Iterator[Row]:
    """Measures the imports in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in OURS}
    with tempfile.TemporaryDirectory() as folder:
        # A copy that is compiled, as in an installed package; where Python may write no bytecode, a checkout is not.
        package = pathlib.Path(folder) / "regjax"
        shutil.copytree(pathlib.Path(regjax.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(package, quiet=1)
        for _ in range(1 if quick else 11):
            for name, statement in OURS.items():
                times[name].append(imported(statement, folder))
    for name, pairs in times.items():
        peers, ours = map(list, zip(*pairs, strict=True))
        median = statistics.median(ours)
        asked = "" if name.endswith("all rooms") else "<= 0.1 s"
        yield Row(name, median, statistics.median(peers), PEER, median, asked, spread(ours))
