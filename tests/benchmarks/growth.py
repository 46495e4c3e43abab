"""The time for each element as arrays grow: flat once they are larger than the caches."""

import functools
import pathlib
import re
import statistics
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax import constraints, regularizers, stochastic, transforms, uncertainty
from tests.benchmarks.measure import Row, alternate, spread
from tests.benchmarks.optimizers import RATE, Training, l1_step

SAMPLES = 4
OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "optax.adamw": lambda: optax.adamw(RATE),
    "AdamW + decay + L1 prox": l1_step,
    "proximal_adam(l1)": lambda: transforms.proximal_adam(RATE, regularizers.l1(1e-4)),
    "AdamW + max_norm(axis=0)": lambda: optax.chain(
        optax.adamw(RATE), transforms.project(constraints.max_norm(1.0, axis=0))
    ),
}
# What is ours is drawn in color, what it is to be compared with in gray.
PANELS: dict[str, dict[str, str]] = {
    "One pass": {"x * c": "#808080", "dropout": "#0072B2", "MC dropout, one sample": "#D55E00"},
    "One optimizer step": dict(zip(OPTIMIZERS, ["#808080", "#0072B2", "#009E73", "#D55E00"], strict=True)),
}
NAME = re.compile(r"(?P<series>.*), 2\^(?P<power>\d+) elements")


def mc_dropout(key: jax.Array, x: jax.Array) -> Any:
    """Returns the moments of several samples of dropout."""
    return uncertainty.mc_regress(functools.partial(stochastic.dropout, rate=0.5), key, x, num_samples=SAMPLES)


def candidates(size: int) -> Iterator[tuple[str, Callable[[], Any], int]]:
    """Makes each series on so many elements: its name, what to run, and how often that does the work of one."""
    functions: dict[str, tuple[Callable[..., Any], int]] = {
        "x * c": (lambda _, x: x * 1.25, 1),
        "dropout": (functools.partial(stochastic.dropout, rate=0.2), 1),
        "MC dropout, one sample": (mc_dropout, SAMPLES),
    }
    for name, (function, times) in functions.items():
        yield name, functools.partial(jax.jit(function), jax.random.key(0), jnp.ones(size)), times
    for name, make in OPTIMIZERS.items():
        yield name, Training(make(), [(size // 1024, 1024)]), 1


def rows(quick: bool) -> Iterator[Row]:
    """Measures each series at each size; the ratio is to the time for each element at a quarter of the size."""
    before: dict[str, float] = {}
    powers = range(10, 14, 2) if quick else range(16, 27, 2)
    for power in powers:
        for series, candidate, often in candidates(2**power):
            found = alternate({series: candidate}, 2 if quick else max(7, 2 ** (24 - power)))[series]
            each = [1e9 * time / (often * 2**power) for time in found]
            ours, base = statistics.median(each), before.get(series)
            ratio = None if base is None else ours / base
            asked = "about 1" if power == powers[-1] else ""
            name = f"{series}, 2^{power} elements"
            yield Row(name, ours, base, "a quarter", ratio, asked, spread(each), "ns")
            before[series] = ours


def draw(found: Iterable[Row], path: pathlib.Path) -> None:
    """Draws those of the rows that are of this script, in the format that the path ends in."""
    import matplotlib as mpl
    from matplotlib import ticker
    from matplotlib.figure import Figure

    lines: dict[str, dict[int, float]] = {}
    for row in found:
        if (match := NAME.fullmatch(row.name)) and row.ours is not None:
            lines.setdefault(match["series"], {})[int(match["power"])] = row.ours
    least = min(time for times in lines.values() for time in times.values())
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (panel, colors) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for series, color in colors.items():
            sizes, times = zip(*((2**power, time) for power, time in lines[series].items()), strict=True)
            axes.loglog(sizes, times, "o-", color=color, label=series, markersize=4)
        axes.set_title(panel, fontsize=10)
        axes.set_xscale("log", base=2)
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.set_xlabel("elements, float32")
        axes.grid(color="#E8E8E8")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=least / 4)  # room for the legend
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    figure.supylabel("time for each element, ns", fontsize=10)
    # In an SVG, text stays text, which is smaller, and the same numbers give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "regjax"}):
        figure.savefig(path, dpi=100, metadata={"Date": None} if path.suffix == ".svg" else None)
