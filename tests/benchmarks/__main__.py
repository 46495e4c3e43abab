"""Runs the benchmarks and prints one table: `python -m tests.benchmarks`, on a machine that does nothing else.

Each script gets a process of its own, in which ours and the peer take turns. Times are printed beside what the library
promises, and are not judged: machines differ.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
import platform
from collections.abc import Sequence

import jax

from tests.benchmarks import growth
from tests.benchmarks.measure import Row, rows_of

SCRIPTS = ("depth", "dropout", "growth", "imports", "jacobian", "mc", "optimizers", "paper", "tracing")
COLUMNS = f"{'':64} {'ours':>11} {'peer':>11} {'ratio':>6} {'asked':>12} {'spread':>14}  peer"


def line(row: Row) -> str:
    """Returns a row as a line of the table."""

    def quantity(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{1e3 * value:.2f} ms" if row.unit == "s" else f"{value:.4g} {row.unit}"

    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    spread = "" if row.spread is None else "{:.2f} to {:.2f}".format(*row.spread)
    numbers = f"{quantity(row.ours):>11} {quantity(row.peer):>11} {ratio:>6} {row.asked:>12} {spread:>14}"
    return f"{row.name:64} {numbers}  {row.peer_name}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the scripts that are named, or all, prints their rows and writes them as JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("scripts", nargs="*", metavar="script", help=f"of {', '.join(SCRIPTS)} (all)")
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds: shows only that it runs")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the rows")
    parser.add_argument("--picture", type=pathlib.Path, help="where to draw the times of growth.py (needs Matplotlib)")
    options = parser.parse_args(arguments)
    if unknown := set(options.scripts) - set(SCRIPTS):
        parser.error(f"there is no script {', '.join(sorted(unknown))}, but {', '.join(SCRIPTS)}")
    scripts = options.scripts or SCRIPTS
    if options.picture and "growth" not in scripts:
        parser.error("the picture is of growth")
    print(f"{jax.devices()[0].device_kind}, {platform.machine()}, jax {jax.__version__}")
    print("ours and the peer: medians; ratio: ours / peer, or the share that a name speaks of; spread: of the ratio")
    print("QUICK: small and few, so the numbers mean nothing\n" if options.quick else "")
    print(COLUMNS)
    found: list[Row] = []
    for script in scripts:
        # A fresh process: what another script left in memory would change how much of it is new here.
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rows = pool.submit(rows_of, script, options.quick).result()
        for row in rows:
            print(line(row), flush=True)
        found += rows
    if options.picture:
        growth.draw(found, options.picture)
    if options.json:
        about = {"device": jax.devices()[0].device_kind, "machine": platform.machine(), "jax": jax.__version__}
        document = {**about, "quick": options.quick, "rows": [dataclasses.asdict(row) for row in found]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
