"""What all pictures have in common."""

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# From the palette of Okabe and Ito, which color-blind readers can tell apart.
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
GRAY = "#808080"

_MAX_COLUMNS = 5
_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.labelsize": 9,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "savefig.dpi": 130,
}


@contextmanager
def picture(path: pathlib.Path, width: float, height: float) -> Iterator[Figure]:
    """Gives a figure of a size in inches, and writes it as PNG when the block ends.

    It is made without pyplot, so that no window and no display is ever asked for. The folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(path)


@contextmanager
def panels(path: pathlib.Path, titles: list[str], xlabel: str, ylabel: str) -> Iterator[tuple[Figure, list[Axes]]]:
    """Gives a figure with a small panel for each title, all with the same axes and labels."""
    num_columns = min(len(titles), _MAX_COLUMNS)
    num_rows = -(-len(titles) // num_columns)
    with picture(path, max(2.3 * num_columns, 7), max(2 * num_rows + 1, 4)) as figure:
        grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in grid[len(titles) :]:
            axes.remove()
        used = list(grid[: len(titles)])
        for axes, title in zip(used, titles, strict=True):
            axes.set_title(title)
        for axes in used[-num_columns:]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(xlabel)
        figure.supylabel(ylabel)
        yield figure, used
