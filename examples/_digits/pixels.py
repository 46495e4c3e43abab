"""Picture: which pixels the networks look at."""

import pathlib

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from _digits import style
from _digits.data import Data
from _digits.training import Trained

_PREFERRED = ("none", "l1", "combination")
_NUM_MAPS = 4
_CMAP = "viridis"


def draw(results: list[Trained], path: Trained | None, data: Data, file: pathlib.Path) -> None:
    """Draws the norm of the weights of each pixel.

    Args:
      results: trained methods; the networks of the first seed are drawn.
      path: the group lasso with many strengths, if it was trained.
      data: the images.
      file: the file to write.
    """
    shown = [trained for trained in results if trained.method.name in _PREFERRED] or results[:1]
    heights = [3] if path is None else [5.5, 2.7]
    with style.picture(file, 9, sum(heights)) as figure:
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
        top = parts[0, 0]
        grid = top.subplots(len(heights), _NUM_MAPS, squeeze=False)
        _square(grid[0, 0], np.asarray(data.train_images[0]).mean(axis=0), "gray_r", "mean of the\ntraining images")
        for axes, trained in zip(grid[0, 1:], shown, strict=False):
            _map(axes, trained, 0, trained.method.title)
        for axes in grid[0, 1 + len(shown) :]:
            axes.set_visible(False)
        if path is not None:
            strengths = path.method.strengths()
            spread = np.linspace(0, len(strengths) - 1, _NUM_MAPS).round().astype(int)
            for axes, run in zip(grid[1], spread, strict=True):
                _map(axes, path, run, f"group lasso, {strengths[run]:.4f}")
            left, right = parts[1, 0].subplots(1, 2)
            _strengths(left, right, path)
        top.colorbar(ScalarMappable(cmap=_CMAP), ax=grid, label="norm of a pixel's weights / largest", shrink=0.8)
        figure.suptitle("Which pixels the network looks at (a cross: not at all, its weights are exactly zero)")


def _map(axes: Axes, trained: Trained, run: int, title: str) -> None:
    norms = np.linalg.norm(trained.params["first"]["kernel"][run], axis=1)
    kept = int(np.count_nonzero(norms))
    accuracy = 100 * trained.curves.validation_accuracy[-1][run]
    shares = np.where(norms > 0, norms / (norms.max() or 1), np.nan)
    _square(axes, shares, _CMAP, f"{title}\n{kept} pixels, {accuracy:.1f} % right")
    rows, columns = np.nonzero(norms.reshape(8, 8) == 0)
    axes.scatter(columns, rows, s=14, marker="x", color=style.GRAY, linewidths=0.8)


def _square(axes: Axes, pixels: np.ndarray, cmap: str, title: str) -> None:
    axes.imshow(pixels.reshape(8, 8), cmap=cmap, vmin=0, vmax=1)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="#C0C0C0", linewidth=0.6)


def _strengths(left: Axes, right: Axes, path: Trained) -> None:
    left.plot(path.method.strengths(), path.final.pixels, marker="o", markersize=4, color=style.BLUE)
    left.set_ylabel("pixels kept (of 64)")
    left.set_ylim(0, 66)
    accuracies = 100 * path.curves.validation_accuracy[-1]
    right.plot(path.method.strengths(), accuracies, marker="o", markersize=4, color=style.VERMILION)
    right.set_ylabel("validation accuracy (%)")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("strength of the group lasso; one network each")
