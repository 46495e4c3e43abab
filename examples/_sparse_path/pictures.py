"""Pictures of the paths."""

import pathlib

import numpy as np
from _digits import style
from _digits.data import NUM_PIXELS
from matplotlib.axes import Axes
from sklearn.isotonic import isotonic_regression

from _sparse_path.lasso import NAMES, Path, Tuned
from _sparse_path.network import Trained

_COLORS = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE)
_DASHES = (0, (2, 2))
_NUM_MASKS = 8


def draw_lasso(path: Path, file: pathlib.Path) -> None:
    """Draws the weights over the strength, ours and those of scikit-learn, and how far apart they are."""
    with style.picture(file, 10, 4.6) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=[1.7, 1])
        left = figure.add_subplot(grid[:, 0])
        top, bottom = (figure.add_subplot(grid[row, 1], sharex=left) for row in range(2))
        names = _apart(path.weights[-1], 0.045 * np.ptp(path.weights))
        for feature, name in enumerate(NAMES):
            color = _COLORS[feature % len(_COLORS)]
            left.plot(path.strengths, path.weights[:, feature], color=color, linewidth=3, alpha=0.6)
            left.plot(path.strengths, path.reference[:, feature], color="black", linewidth=1, linestyle=_DASHES)
            place = (path.strengths[-1], names[feature])
            left.annotate(name, place, (6, 0), textcoords="offset points", va="center", color=color)
        _two_kinds(left)
        left.legend(loc="upper left")
        left.set(xscale="log", xlabel="strength", ylabel="weight", title="A hundred strengths, solved at once")
        left.set_xlim(1.15 * path.strengths[0], path.strengths[-1] / 1.6)

        top.plot(path.strengths, np.count_nonzero(path.weights, axis=1), color=style.BLUE, linewidth=3, alpha=0.6)
        top.plot(
            path.strengths, np.count_nonzero(path.reference, axis=1), color="black", linewidth=1, linestyle=_DASHES
        )
        top.set(title="Weights that are not zero", yticks=range(0, 11, 2))

        bottom.plot(path.strengths, path.differences / np.abs(path.reference).max(), color=style.VERMILION)
        bottom.set(yscale="log", xlabel="strength", title="Largest difference / largest weight")
        figure.suptitle("The path of the lasso on diabetes")


def draw_pixels(trained: Trained, file: pathlib.Path) -> None:
    """Draws accuracy over pixels, pixels over strength, and which pixels some of the networks keep."""
    alive = np.flatnonzero(trained.pixels)
    shown = alive[sorted({round(i) for i in np.linspace(0, len(alive) - 1, _NUM_MASKS)})] if len(alive) else alive
    with style.picture(file, 10, 5.2) as figure:
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[3.2, 1.9])[:, 0]
        left, right = top.subplots(1, 2)
        accuracy = 100 * trained.accuracy
        left.plot(trained.pixels, accuracy, "o-", markersize=4, linewidth=0.8, color=style.VERMILION)
        left.set(xlabel=f"pixels kept, of {NUM_PIXELS}", ylabel="test accuracy (%)", title="What pixels are worth")
        left.set_xlim(left=-1)
        right.plot(trained.strengths, trained.pixels, "o-", markersize=4, linewidth=0.8, color=style.BLUE)
        right.set(xscale="log", xlabel="strength of the group lasso", title="Pixels kept; one network each")
        right.set_ylim(bottom=-1)
        masks = bottom.subplots(1, max(len(shown), 1), squeeze=False)[0]
        for axes, lane in zip(masks, shown, strict=False):
            title = f"{trained.strengths[lane]:.1e}\n{trained.pixels[lane]} pixels\n{accuracy[lane]:.1f} % right"
            _mask(axes, trained.norms[lane], title)
        bottom.supxlabel("above: strength; bright: pixels with large weights; a cross: weights that are exactly zero")
        figure.suptitle("The path of a network on digits, with a group lasso by pixel")


def draw_tuned(strengths: np.ndarray, losses: np.ndarray, tuned: Tuned, file: pathlib.Path) -> None:
    """Draws the validation loss over the strength, and how the descent goes down on it."""
    best = losses.argmin()
    with style.picture(file, 10, 3.8) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(strengths, losses, color="black", linewidth=1, label="all strengths of the path")
        left.plot(tuned.strengths, tuned.losses, "o", color=style.VERMILION, markersize=4, label="the descent")
        left.plot(strengths[best], losses[best], "s", color=style.BLUE, markersize=6, label="best of the path")
        left.plot(tuned.strengths[-1], tuned.losses[-1], "x", color="black", markersize=8, label="end of the descent")
        left.set(xscale="log", xlabel="strength", ylabel="validation loss", title="Loss on the other half")
        height = tuned.losses[0] - losses[best]
        left.set_ylim(losses[best] - 0.1 * height, losses[best] + 1.4 * height)
        left.legend(loc="upper left")
        right.plot(np.arange(len(tuned.strengths)), tuned.strengths, "o-", color=style.VERMILION, markersize=3)
        right.axhline(strengths[best], color=style.BLUE, linewidth=1, linestyle=_DASHES)
        right.set(yscale="log", xlabel="step", ylabel="strength", title="The way there (dashed: best of the path)")
        right.set_yticks([2, 3, 5, 10, 20], ["2", "3", "5", "10", "20"])
        right.minorticks_off()
        figure.suptitle("A strength tuned by gradient descent on the validation loss")


def _two_kinds(axes: Axes) -> None:
    axes.plot([], [], color=style.GRAY, linewidth=3, alpha=0.6, label="regjax, float32")
    axes.plot([], [], color="black", linewidth=1, linestyle=_DASHES, label="scikit-learn, float64")


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Returns the nearest places that keep a gap between each other."""
    order = np.argsort(places)
    steps = gap * np.arange(len(places))
    apart = np.empty(len(places))
    apart[order] = isotonic_regression(places[order] - steps) + steps
    return apart


def _mask(axes: Axes, norms: np.ndarray, title: str) -> None:
    shares = np.where(norms > 0, norms / (norms.max() or 1), np.nan)
    axes.imshow(shares.reshape(8, 8), cmap="viridis", vmin=0, vmax=1)
    rows, columns = np.nonzero(norms.reshape(8, 8) == 0)
    axes.scatter(columns, rows, s=7, marker="x", color=style.GRAY, linewidths=0.7)
    axes.set_title(title, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="#C0C0C0", linewidth=0.6)
