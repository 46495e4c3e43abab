"""Picture: the loss on training and on validation images as training goes on."""

import pathlib

import numpy as np
from matplotlib.axes import Axes

from _digits import style
from _digits.training import Trained


def draw(results: list[Trained], path: pathlib.Path) -> None:
    """Draws a panel for each method: the mean over seeds and a band from the lowest to the highest."""
    titles = [trained.method.title for trained in results]
    with style.panels(path, titles, "epoch", "cross-entropy, measured without dropout (nats)") as (figure, panels):
        for axes, trained in zip(panels, results, strict=True):
            _panel(axes, trained, results)
        figure.suptitle("The loss on images that were trained on, and on new ones")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _panel(axes: Axes, trained: Trained, results: list[Trained]) -> None:
    train, validation = trained.curves.train_loss, trained.curves.validation_loss
    _curve(axes, trained.epochs, train, "training images (mean and range over seeds)", color=style.BLUE, above=False)
    _curve(axes, trained.epochs, validation, "validation images", color=style.VERMILION, above=True)
    for other in results:
        if other.method.name == trained.method.baseline:
            losses = other.curves.validation_loss.mean(axis=1)
            label = "the same without regularization"
            axes.plot(other.epochs, losses, color="black", linestyle=":", linewidth=1.2, label=label)
    axes.set_yscale("log")
    axes.margins(y=0.12)


def _curve(axes: Axes, epochs: list[int], losses: np.ndarray, label: str, *, color: str, above: bool) -> None:
    means = losses.mean(axis=1)
    axes.plot(epochs, means, color=color, label=label)
    axes.fill_between(epochs, losses.min(axis=1), losses.max(axis=1), color=color, alpha=0.2, linewidth=0)
    # The last value, on the side where the other curve is not.
    end, offset = (epochs[-1], means[-1]), (0, 8 if above else -11)
    axes.annotate(f"{means[-1]:.2g}", end, offset, textcoords="offset points", ha="right", color=color)
