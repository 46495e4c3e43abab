"""What regularization does besides accuracy, on real handwritten digits: `python examples/robustness.py`.

Networks are trained on three hundred digits without regularization, and with dropout, label smoothing, mixup, and a
penalty on the Jacobian. Then they read test images under more and more noise, and are asked how sure they are. The
script trains all seeds of a method at once, prints a table, and draws accuracy over noise and reliability diagrams. It
takes a minute or two on two cores.
"""

import csv
import dataclasses
import functools
import io
import math
import pathlib
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import data, style
from _digits.command_line import Parser
from _digits.models import MLP, logits
from _digits.standard_error import standard_error
from tqdm import tqdm

from regjax import augment, losses, sensitivity

FILES = ("table.txt", "table.csv", "robustness.png", "reliability.png")
BATCH_SIZE = 50
NOISES = np.linspace(0.0, 0.8, 9)
# Those of the noises that the table shows.
SHOWN = (0, 2, 4, 6)
NUM_BINS = 10


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
      name: in the table.
      color: in the pictures.
      dropout: probability of dropping a hidden unit.
      label_smoothing: how much of a label goes to all classes.
      mixup: alpha of mixup; 0 mixes nothing.
      jacobian: strength of the penalty on the Jacobian, estimated with one random projection.
    """

    name: str
    color: str
    dropout: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    jacobian: float = 0.0

    @property
    def model(self) -> MLP:
        """Returns the network."""
        return MLP(unit_rate=self.dropout)

    def loss(self, params: Any, key: jax.Array, images: jax.Array, labels: jax.Array) -> jax.Array:
        """Returns what is minimized, for one batch."""
        mix_key, dropout_key, projection_key = jax.random.split(key, 3)
        targets: jax.Array = labels
        if self.mixup:
            mixed = augment.mixup(mix_key, images, labels, self.mixup, num_classes=data.NUM_CLASSES)
            images, targets = mixed.x, mixed.y
        outputs = logits(self.model, params, images, dropout_key)
        loss = losses.softmax_cross_entropy(outputs, targets, label_smoothing=self.label_smoothing).mean()
        if self.jacobian:
            network = functools.partial(logits, self.model, params)
            penalty = sensitivity.jacobian_penalty(network, images, key=projection_key, num_projections=1)
            loss += self.jacobian / 2 * penalty
        return loss


METHODS = (
    Method("none", style.GRAY),
    Method("dropout", style.BLUE, dropout=0.5),
    Method("label smoothing", style.ORANGE, label_smoothing=0.1),
    Method("mixup", style.GREEN, mixup=0.4),
    Method("Jacobian", style.VERMILION, jacobian=0.01),
)


class Result(NamedTuple):
    """What a method achieves on the test images.

    Attributes:
      method: the row of the table.
      accuracy: under each noise, `[noises, seeds]`.
      loss: cross-entropy without noise in nats, `[seeds]`.
      calibration_error: expected calibration error without noise, `[seeds]`.
      jacobian: batch mean of the squared Frobenius norm of d logits / d pixels, `[seeds]`.
      confidence: the largest probability of each test image without noise, `[seeds, images]`.
      correct: whether its class is right, `[seeds, images]`.
    """

    method: Method
    accuracy: np.ndarray
    loss: np.ndarray
    calibration_error: np.ndarray
    jacobian: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray


def optimizer() -> optax.GradientTransformation:
    """Returns what all methods are trained with."""
    return optax.adam(1e-3)


@jax.jit
def start(seeds: jax.Array) -> tuple[Any, Any]:
    """Returns parameters and optimizer states, one for each seed."""

    def one(seed: jax.Array) -> tuple[Any, Any]:
        image = jnp.zeros((1, data.NUM_PIXELS))
        params = MLP().init(jax.random.key(seed), image, deterministic=True)["params"]
        return params, optimizer().init(params)

    return jax.vmap(one)(seeds)


@functools.partial(jax.jit, static_argnames="method", donate_argnames="state")
def train_epoch(method: Method, state: tuple[Any, Any], seeds: jax.Array, epoch: jax.Array, images: data.Data) -> Any:
    """Sees every training image once, in all runs."""

    def one(state: tuple[Any, Any], seed: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[Any, Any]:
        order_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), epoch))
        order = jax.random.permutation(order_key, data.NUM_TRAIN).reshape(-1, BATCH_SIZE)

        def step(carry: tuple[Any, Any], batch: tuple[jax.Array, jax.Array]) -> tuple[tuple[Any, Any], None]:
            params, state = carry
            chosen, number = batch
            key = jax.random.fold_in(noise_key, number)
            gradients = jax.grad(method.loss)(params, key, images[chosen], labels[chosen])
            updates, state = optimizer().update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, state, (order, jnp.arange(len(order))))[0]

    return jax.vmap(one)(state, seeds, images.train_images, images.train_labels)


@jax.jit
def examine(params: Any, seeds: jax.Array, images: data.Data) -> tuple[jax.Array, ...]:
    """Measures everything on the test images, without dropout, in all runs."""

    def one(params: Any, seed: jax.Array) -> tuple[jax.Array, ...]:
        network = functools.partial(logits, MLP(), params)
        clean = network(images.test_images)
        # All methods read the same noisy images.
        noise = jax.random.normal(jax.random.fold_in(jax.random.key(1), seed), images.test_images.shape)

        def accuracy(stddev: jax.Array) -> jax.Array:
            noisy = images.test_images + stddev * noise
            return jnp.mean(jnp.argmax(network(noisy), axis=-1) == images.test_labels)

        probabilities = jax.nn.softmax(clean)
        return (
            jax.lax.map(accuracy, jnp.asarray(NOISES, jnp.float32)),
            losses.softmax_cross_entropy(clean, images.test_labels).mean(),
            sensitivity.jacobian_penalty(network, images.test_images),
            probabilities.max(axis=-1),
            jnp.argmax(clean, axis=-1) == images.test_labels,
        )

    return jax.vmap(one)(params, seeds)


def train(method: Method, seeds: list[int], *, num_epochs: int, on_epoch: Callable[[], object]) -> Result:
    """Trains a network for each seed and examines it."""
    images, columns = data.load(seeds), jnp.asarray(seeds)
    state = start(columns)
    for epoch in range(num_epochs):
        state = train_epoch(method, state, columns, jnp.int32(epoch), images)
        on_epoch()
    accuracy, loss, jacobian, confidence, correct = map(np.asarray, examine(state[0], columns, images))
    errors = np.array([calibration_error(*pair) for pair in zip(confidence, correct, strict=True)])
    return Result(method, accuracy.T, loss, errors, jacobian, confidence, correct)


def bins(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns share, mean confidence and accuracy of ten bins of equal width; NaN where a bin is empty."""
    index = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(index, minlength=NUM_BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(index, values, NUM_BINS) / counts for values in (confidence, correct)]
    return counts / confidence.size, means[0], means[1]


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Returns the expected calibration error: the mean of |accuracy - confidence| over bins, by their share."""
    share, confident, accurate = bins(confidence, correct)
    return float(np.nansum(share * np.abs(accurate - confident)))


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the methods, prints the table, and writes it to the output folder together with the pictures.

    Args:
      argv: the command line without the name of the program; None means that of the process.
    """
    parser = Parser("robustness.py", "Accuracy under noise and calibration.", out="results/robustness")
    parser.count("--epochs", 100, "epochs of training")
    parser.count("--seeds", 10, "networks for each method")
    chosen = parser.parse_args(argv)
    folder = parser.folder(chosen.out, FILES)
    seeds = list(range(chosen.seeds))
    results = []
    with tqdm(total=chosen.epochs * len(METHODS), unit="epoch") as bar:
        for method in METHODS:
            bar.set_description(method.name)
            results.append(train(method, seeds, num_epochs=chosen.epochs, on_epoch=bar.update))
    text = text_table(results)
    (folder / "table.txt").write_text(text, encoding="utf-8")
    (folder / "table.csv").write_text(csv_table(results), encoding="utf-8")
    print(text)
    draw_robustness(results, folder / "robustness.png")
    draw_reliability(results, folder / "reliability.png")
    print(f"In {folder}: {', '.join(FILES)}")


def rows(results: list[Result]) -> list[dict[str, Any]]:
    """Returns the numbers of each method by name: arrays over seeds, accuracies and calibration errors in percent."""
    return [
        {
            "method": result.method.name,
            **{f"accuracy_noise_{NOISES[i]:.1f}": 100 * result.accuracy[i] for i in SHOWN},
            "loss": result.loss,
            "calibration_error": 100 * result.calibration_error,
            "jacobian": result.jacobian,
        }
        for result in results
    ]


def text_table(results: list[Result]) -> str:
    """Returns an aligned table and how to read it."""
    table = rows(results)
    head = [
        ["", *[f"accuracy %, noise {NOISES[i]:.1f}" for i in SHOWN], "test loss, nats", "calibration error %", "|J|^2"]
    ]
    lines = head + [
        [row["method"], *(_text(values) for name, values in row.items() if name != "method")] for row in table
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    notes = textwrap.fill(
        f"Means over {len(results[0].loss)} seeds, ± standard error. Noise is normal, with that standard deviation, "
        f"on pixels in [0, 1]. Calibration error: |accuracy - confidence| in {NUM_BINS} bins. |J|^2: the squared "
        "Frobenius norm of the Jacobian of logits by pixels. Each seed has its own 300 training images; the 997 test "
        "images are the same for all.",
        width=115,
    )
    return "\n".join([*text, "", notes]) + "\n"


def csv_table(results: list[Result]) -> str:
    """Returns the same numbers with more digits, each mean with its standard error."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    table = rows(results)
    numbers = [name for name in table[0] if name != "method"]
    writer.writerow(["method", *(column for name in numbers for column in (name, f"{name}_error"))])
    for row in table:
        cells = (f"{number:.6g}" for name in numbers for number in (row[name].mean(), standard_error(row[name])))
        writer.writerow([row["method"], *cells])
    return stream.getvalue()


def draw_robustness(results: list[Result], path: pathlib.Path) -> None:
    """Draws accuracy under noise."""
    with style.picture(path, 7, 4.5) as figure:
        axes = figure.subplots()
        for result in results:
            mean = 100 * result.accuracy.mean(axis=1)
            error = [100 * standard_error(values) for values in result.accuracy]
            axes.errorbar(NOISES, mean, error, color=result.method.color, label=result.method.name, capsize=2)
        axes.set(xlabel="standard deviation of the noise on pixels in [0, 1]", ylabel="test accuracy (%)")
        axes.set_title("Accuracy under noise that training has not seen")
        axes.legend()


def draw_reliability(results: list[Result], path: pathlib.Path) -> None:
    """Draws for each method how often it is right, over how sure it is."""
    titles = [result.method.name for result in results]
    with style.panels(path, titles, "confidence", "accuracy") as (figure, panels):
        edges = np.linspace(0, 1, NUM_BINS + 1)
        for axes, result in zip(panels, results, strict=True):
            share, _, accurate = bins(result.confidence.ravel(), result.correct.ravel())
            axes.bar(edges[:-1], accurate, 1 / NUM_BINS, align="edge", color=result.method.color, alpha=0.7)
            axes.step(edges, [*share, share[-1]], where="post", color="black", linewidth=1, label="share of the images")
            axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="as sure as right")
            error = 100 * result.calibration_error.mean()
            axes.text(0.04, 0.9, f"error {error:.1f} %", transform=axes.transAxes)
        figure.suptitle("How sure the networks are, and how often they are right")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _text(values: np.ndarray) -> str:
    digits = 2 if values.mean() > 1 else 3
    error = standard_error(values)
    return f"{values.mean():.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")


if __name__ == "__main__":
    main()
