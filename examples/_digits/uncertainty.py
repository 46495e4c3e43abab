"""Picture: how sure the network is of images unlike any that it was trained on."""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage
from sklearn.metrics import roc_auc_score

import regjax.linen
from _digits import style
from _digits.data import NUM_CLASSES, NUM_PIXELS, Data
from _digits.models import MLP, ResidualMLP, logits
from _digits.training import Trained
from regjax import uncertainty

# A six turned by 180 degrees is a nine, and in between it is neither.
_DIGIT = 6
_ANGLES = np.arange(0, 181, 5)
_EVERY = 3
_NUM_NOISE = 500
_NUM_PASSES = 200
_COLORS = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE)


def draw(trained: Trained, data: Data, path: pathlib.Path) -> None:
    """Draws what the network of the first seed says of a digit that is turned, and of noise.

    Args:
      trained: a method that trains with dropout, or other noise.
      data: the images.
      path: the file to write.
    """
    model, params = trained.method.model, jax.tree.map(lambda leaf: leaf[0], trained.params)
    turned = _turned(_clearest(model, params, data))
    digits = np.asarray(data.test_images[:_NUM_NOISE])
    # With the gray values of real digits, in random places.
    noise = np.random.default_rng(0).permuted(digits, axis=1)
    images = np.concatenate([turned, digits, noise])
    mc, plain = jax.tree.map(np.asarray, _predict(model, params, jax.random.key(0), images))
    entropy = np.asarray(uncertainty.predictive_entropy(plain[None]))
    first = len(turned)

    with style.picture(path, 10, 10) as figure:
        grid = figure.add_gridspec(4, 2, height_ratios=[0.8, 3, 2.4, 2.6])
        probabilities = figure.add_subplot(grid[1, :])
        entropies = figure.add_subplot(grid[2, :], sharex=probabilities)
        _strip(figure.add_subplot(grid[0, :], sharex=probabilities), turned)
        _probabilities(probabilities, mc.probabilities[:first], plain[:first])
        _entropies(entropies, mc, entropy, first)
        left = figure.add_subplot(grid[3, 0])
        right = figure.add_subplot(grid[3, 1], sharex=left, sharey=left)
        _noise(left, entropy[first:], "one pass, nothing dropped")
        _noise(right, mc.predictive_entropy[first:], f"mean of {_NUM_PASSES} random passes")
        _samples(left, digits, "test digits", style.BLUE, 0.66)
        _samples(left, noise, "noise", style.VERMILION, 0.44)
        left.set_ylabel("images (%)")
        figure.suptitle(f"A {_DIGIT} that is turned, and pure noise: what the network says ({trained.method.title})")


def _strip(axes: Axes, turned: np.ndarray) -> None:
    half = 0.43 * _EVERY * _ANGLES[1]
    for angle, image in zip(_ANGLES[::_EVERY], turned[::_EVERY], strict=True):
        axes.imshow(
            image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1, extent=(angle - half, angle + half, -half, half)
        )
    axes.set_ylim(-half, half)
    axes.set_axis_off()


def _probabilities(axes: Axes, mc: np.ndarray, plain: np.ndarray) -> None:
    likeliest = np.argsort(-np.maximum(mc, plain).max(axis=0))[: len(_COLORS)]
    for digit, color in zip(sorted(likeliest), _COLORS, strict=True):
        axes.plot(_ANGLES, mc[:, digit], color=color, label=f"class {digit}")
        axes.plot(_ANGLES, plain[:, digit], color=color, linestyle=":", linewidth=1.2)
    # What the line styles mean, for all panels.
    axes.plot([], [], color="black", label=f"mean of {_NUM_PASSES}\nrandom passes")
    axes.plot([], [], color="black", linestyle=":", linewidth=1.2, label="one pass,\nnothing dropped")
    axes.set_ylabel("probability of a class")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(_ANGLES[::_EVERY])
    axes.set_xlim(_ANGLES[0] - 8, _ANGLES[-1] + 8)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _entropies(axes: Axes, mc: Any, plain: np.ndarray, first: int) -> None:
    axes.plot(_ANGLES, mc.predictive_entropy[:first], color="black", label="entropy")
    axes.plot(_ANGLES, mc.mutual_information[:first], color=style.VERMILION, label="of which mutual\ninformation")
    axes.plot(_ANGLES, plain[:first], color="black", linestyle=":", linewidth=1.2)
    axes.set_ylabel("uncertainty (nats)")
    axes.set_xlabel("angle (degrees)")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _noise(axes: Axes, entropies: np.ndarray, title: str) -> None:
    edges = np.linspace(0, np.log(NUM_CLASSES), 24)
    is_noise = np.repeat([False, True], _NUM_NOISE)
    for chosen, color in ((~is_noise, style.BLUE), (is_noise, style.VERMILION)):
        weights = np.full(_NUM_NOISE, 100 / _NUM_NOISE)
        axes.hist(entropies[chosen], edges, weights=weights, color=color, alpha=0.7)
    area = roc_auc_score(is_noise, entropies)
    axes.set_title(f"{title}\nnoise told from digits: area under the ROC curve {area:.3f}")
    axes.set_xlabel("entropy of the predicted classes (nats)")


def _samples(axes: Axes, images: np.ndarray, label: str, color: str, height: float) -> None:
    """Puts some images into free space of the axes, in place of a legend."""
    axes.text(0.38, height + 0.09, label, color=color, ha="right", va="center", transform=axes.transAxes)
    for column in range(5):
        inset = axes.inset_axes((0.41 + 0.12 * column, height, 0.1, 0.18))
        inset.imshow(images[column].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        inset.set_axis_off()


@functools.partial(jax.jit, static_argnames="model")
def _predict(model: MLP | ResidualMLP, params: Any, key: jax.Array, images: jax.Array) -> tuple[Any, jax.Array]:
    variables = {"params": params}
    one_pass = functools.partial(regjax.linen.mc_apply, model, variables, deterministic=True)
    mc = uncertainty.mc_classify(one_pass, key, images, num_samples=_NUM_PASSES, batch_size=10)
    return mc, jax.nn.softmax(logits(model, params, images))


def _clearest(model: MLP | ResidualMLP, params: Any, data: Data) -> np.ndarray:
    """Returns the test image of the digit of which the network is surest."""
    images = data.test_images[data.test_labels == _DIGIT]
    probabilities = jax.nn.softmax(logits(model, params, images))
    return np.asarray(images[jnp.argmax(probabilities[:, _DIGIT])])


def _turned(image: np.ndarray) -> np.ndarray:
    square = image.reshape(8, 8)
    images = [ndimage.rotate(square, angle, reshape=False, order=1) for angle in _ANGLES]
    return np.stack(images).reshape(-1, NUM_PIXELS).astype(np.float32)
