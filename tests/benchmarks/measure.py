"""Times candidates in turn, in one process, and compares their medians."""

import dataclasses
import importlib
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

Candidate = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a number of ours beside a peer's.

    Attributes:
      name: what was measured.
      ours: the median of ours, in `unit`.
      peer: the median of the peer, in `unit`.
      peer_name: who the peer is; with None for numbers, a peer that is not installed.
      ratio: the number that `asked` speaks of, most often ours / peer.
      asked: the bound on `ratio` that the library promises, in words; empty if there is none.
      spread: the ratio in the first and the last tenth of the rounds.
      unit: what `ours` and `peer` are in.
    """

    name: str
    ours: float | None
    peer: float | None
    peer_name: str
    ratio: float | None
    asked: str = ""
    spread: tuple[float, float] | None = None
    unit: str = "s"


def skipped(name: str, peer_name: str, asked: str = "") -> Row:
    """Returns the row of a comparison whose peer is not installed."""
    return Row(name, None, None, f"{peer_name} (not installed)", None, asked)


def seconds(candidate: Candidate) -> float:
    """Runs a candidate once, waits for its result and returns how long both took."""
    start = time.perf_counter()
    jax.block_until_ready(candidate())
    return time.perf_counter() - start


def alternate(candidates: Mapping[str, Candidate], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Returns the seconds of each candidate in each round, after runs that do not count.

    The order changes from round to round: what ran before leaves its traces in memory.
    """
    order, shuffle = list(candidates), random.Random(0).shuffle
    for candidate in candidates.values():
        for _ in range(warmup):
            seconds(candidate)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            times[name].append(seconds(candidates[name]))
    return times


def compare(name: str, ours: list[float], peer: list[float], peer_name: str, asked: str = "") -> Row:
    """Returns the row for times of two candidates that ran in turn; the ratio is that of their medians."""
    ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    median, base = statistics.median(ours), statistics.median(peer)
    return Row(name, median, base, peer_name, median / base, asked, spread(ratios))


def spread(values: list[float]) -> tuple[float, float]:
    """Returns the first and the last decile, or the extremes of fewer than ten values."""
    if len(values) < 10:
        return min(values), max(values)
    low, *_, high = statistics.quantiles(values, n=10)
    return low, high


def rows_of(script: str, quick: bool) -> list[Row]:
    """Returns the rows of a script."""
    return list(importlib.import_module(f"tests.benchmarks.{script}").rows(quick))
