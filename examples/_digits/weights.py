"""Picture: how the weights are distributed, with those that are exactly zero in a bar of their own."""

import pathlib

import jax
import numpy as np
from matplotlib.axes import Axes

from _digits import style
from _digits.methods import KERNELS
from _digits.training import Trained
from regjax import masks

_LIMIT = 0.6
_EDGES = np.linspace(-_LIMIT, _LIMIT, 42)
# Where the bar of the exact zeros stands, clear of the others.
_ZERO_BAR = 0.85


def draw(results: list[Trained], path: pathlib.Path) -> None:
    """Draws a histogram for each method, of all kernels of all seeds together."""
    titles = [trained.method.title for trained in results]
    with style.panels(path, titles, f"weight (±{_LIMIT}: and beyond)", "share of all weights (%)") as (figure, panels):
        for axes, trained in zip(panels, results, strict=True):
            _histogram(axes, trained)
        figure.suptitle("Weights by size (blue), and those that are exactly zero (red)")


def _histogram(axes: Axes, trained: Trained) -> None:
    weights = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(masks.select(KERNELS, trained.params))])
    nonzero = weights[weights != 0]
    shares = 100 * np.histogram(np.clip(nonzero, -_LIMIT, _LIMIT), _EDGES)[0] / weights.size
    zeros = 100 * (1 - nonzero.size / weights.size)
    axes.bar(_EDGES[:-1], shares, np.diff(_EDGES), align="edge", color=style.BLUE)
    axes.bar(_ZERO_BAR, zeros, 0.15, color=style.VERMILION)
    position = (_ZERO_BAR, max(zeros, 0.01))
    axes.annotate(f"{zeros:.2g} %", position, (0, 2), textcoords="offset points", ha="center", color=style.VERMILION)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 300)
    axes.set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    axes.set_xlim(-1.1 * _LIMIT, 1.1)
    axes.set_xticks([-_LIMIT, 0, _LIMIT, _ZERO_BAR], [f"-{_LIMIT}", "0", f"{_LIMIT}", "= 0"])
