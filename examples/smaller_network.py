"""Networks that get smaller while they learn: `python examples/smaller_network.py`.

A network reads handwritten digits. Its penalty is one group lasso, and a group is all that leaves a pixel or a hidden
unit, so training with `proximal_adam` sets whole groups to exactly zero: pixels that are not looked at, and units that
nobody listens to. Then `pruning.remove_zero_units` takes them out. What is left is an ordinary network with fewer
features, and with equal outputs.

All strengths of the penalty are trained at once, as lanes of one `vmap`. The script prints parameters, accuracy and
time before and after, and draws which pixels and units are left. It takes about a minute on two cores.
"""

import csv
import functools
import io
import pathlib
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import data, style
from _digits.command_line import Parser
from matplotlib.axes import Axes
from tqdm import tqdm

import regjax

FILES = ("table.txt", "table.csv", "smaller_network.png")
BATCH_SIZE = 50
LEARNING_RATE = 3e-3
LAYERS = ["Dense_0", "Dense_1", "Dense_2"]
NUM_PASSES = 101


class Network(nn.Module):
    """Hidden layers with ReLU.

    Attributes:
      features: the number of units of each hidden layer.
    """

    features: tuple[int, ...]

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images `[batch, pixels]` to logits `[batch, 10]`."""
        for features in self.features:
            images = nn.relu(nn.Dense(features)(images))
        return nn.Dense(data.NUM_CLASSES)(images)


class Result(NamedTuple):
    """What one strength leads to.

    Attributes:
      strength: that of the penalty.
      pixels: the norm of what leaves each pixel, `[64]`.
      inputs: the pixels that are kept.
      units: how many units of each hidden layer are kept.
      parameters: how many numbers the network has, before and after.
      accuracy: on the test images in percent, before and after.
      seconds: what a pass over the test images takes, before and after.
      difference: the largest difference of two logits.
    """

    strength: float
    pixels: np.ndarray
    inputs: np.ndarray
    units: tuple[int, ...]
    parameters: tuple[int, int]
    accuracy: tuple[float, float]
    seconds: tuple[float, float]
    difference: float


def optimizer(strength: jax.Array, num_steps: int) -> optax.GradientTransformation:
    """Returns Adam with the group lasso: a group is a row of a kernel `[in, out]`, what leaves a pixel or a unit."""
    # Warmed up, because the first steps of Adam are long, and could set to zero what is needed.
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, num_steps // 10, num_steps)
    # Not scaled by the size of a group: a unit pays as much as a pixel, however many weights it has.
    rows = regjax.regularizers.group_lasso(strength, axis=-1, size_scaling=False, mask="**/kernel")
    return regjax.transforms.proximal_adam(schedule, rows)


@functools.partial(jax.jit, static_argnames=("num_units", "num_steps"))
def start(strengths: jax.Array, *, num_units: int, num_steps: int) -> Any:
    """Returns parameters and states of the optimizer, one for each strength; all begin alike."""

    def one(strength: jax.Array) -> Any:
        image = jnp.zeros((1, data.NUM_PIXELS))
        params = Network((num_units, num_units)).init(jax.random.key(0), image)["params"]
        return params, optimizer(strength, num_steps).init(params)

    return jax.vmap(one)(strengths)


@functools.partial(jax.jit, static_argnames=("num_units", "num_steps"), donate_argnames="lanes")
def train_epoch(
    lanes: Any,
    strengths: jax.Array,
    key: jax.Array,
    images: jax.Array,
    labels: jax.Array,
    *,
    num_units: int,
    num_steps: int,
) -> Any:
    """Sees every training image once, with all strengths."""
    order = jax.random.permutation(key, len(images)).reshape(-1, BATCH_SIZE)

    def loss(params: Any, chosen: jax.Array) -> jax.Array:
        outputs = logits((num_units, num_units), params, images[chosen])
        return regjax.losses.softmax_cross_entropy(outputs, labels[chosen]).mean()

    def one(lane: Any, strength: jax.Array) -> Any:
        def step(lane: Any, chosen: jax.Array) -> tuple[Any, None]:
            params, state = lane
            updates, state = optimizer(strength, num_steps).update(jax.grad(loss)(params, chosen), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, lane, order)[0]

    return jax.vmap(one)(lanes, strengths)


@functools.partial(jax.jit, static_argnames="features")
def logits(features: tuple[int, ...], params: Any, images: jax.Array) -> jax.Array:
    """Runs a network of that size."""
    return jnp.asarray(Network(features).apply({"params": params}, images))


def examine(strength: float, params: Any, digits: data.Data) -> Result:
    """Removes what is zero from a trained network, and compares the two on the test images."""
    images, labels = np.asarray(digits.test_images), np.asarray(digits.test_labels)
    hidden = tuple(params[layer]["kernel"].shape[1] for layer in LAYERS[:-1])
    small = regjax.pruning.remove_zero_units(params, LAYERS, activation=nn.relu)
    units = tuple(len(small.units[layer]) for layer in LAYERS[:-1])
    passes = [
        functools.partial(logits, hidden, params, jnp.asarray(images)),
        functools.partial(logits, units, small.params, jnp.asarray(images[:, small.inputs])),
    ]
    before, after = (np.asarray(run()) for run in passes)
    accuracy = [100 * float(np.mean(outputs.argmax(axis=-1) == labels)) for outputs in (before, after)]
    parameters = [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (params, small.params)]
    return Result(
        strength,
        np.linalg.norm(params["Dense_0"]["kernel"], axis=1),
        small.inputs,
        units,
        (parameters[0], parameters[1]),
        (accuracy[0], accuracy[1]),
        seconds(*passes),
        float(np.abs(before - after).max()),
    )


def seconds(before: Callable[[], Any], after: Callable[[], Any]) -> tuple[float, float]:
    """Returns the median times of two calls that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(NUM_PASSES):
        for call, taken in zip((before, after), times, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(call())
            taken.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the networks, makes them smaller, prints the table, and writes it to the output folder with the picture.

    Args:
      argv: the command line without the name of the program; None means that of the process.
    """
    parser = Parser("smaller_network.py", "Networks that get smaller.", out="results/smaller_network")
    parser.count("--epochs", 150, "epochs of training")
    parser.count("--units", 256, "units of each of the two hidden layers, before")
    parser.count("--strengths", 6, "strengths of the group lasso, besides none")
    chosen = parser.parse_args(argv)
    folder = parser.folder(chosen.out, FILES)
    digits = data.load([0])
    images = jnp.concatenate([digits.train_images[0], digits.validation_images[0]])
    labels = jnp.concatenate([digits.train_labels[0], digits.validation_labels[0]])
    strengths = jnp.asarray([0.0, *np.geomspace(5e-4, 1.5e-2, chosen.strengths)], jnp.float32)
    sizes = {"num_units": chosen.units, "num_steps": chosen.epochs * (len(images) // BATCH_SIZE)}
    lanes = start(strengths, **sizes)
    with tqdm(total=chosen.epochs, unit="epoch", desc=f"{len(strengths)} strengths at once") as bar:
        for epoch in range(chosen.epochs):
            lanes = train_epoch(lanes, strengths, jax.random.key(epoch), images, labels, **sizes)
            jax.block_until_ready(lanes)
            bar.update()
    params = jax.tree.map(np.asarray, lanes[0])
    results = [
        examine(strength, jax.tree.map(lambda leaf, lane=lane: jnp.asarray(leaf[lane]), params), digits)
        for lane, strength in enumerate(tqdm(strengths.tolist(), unit="network", desc="before and after"))
    ]
    text = text_table(results, chosen.units)
    (folder / "table.txt").write_text(text, encoding="utf-8")
    (folder / "table.csv").write_text(csv_table(results), encoding="utf-8")
    print(text)
    draw(results, chosen.units, folder / "smaller_network.png")
    print(f"In {folder}: {', '.join(FILES)}")


def rows(results: list[Result]) -> list[dict[str, float]]:
    """Returns the numbers of each strength by name."""
    return [
        {
            "strength": result.strength,
            "pixels": len(result.inputs),
            "units_first": result.units[0],
            "units_second": result.units[1],
            "parameters_before": result.parameters[0],
            "parameters_after": result.parameters[1],
            "accuracy_before": result.accuracy[0],
            "accuracy_after": result.accuracy[1],
            "milliseconds_before": 1000 * result.seconds[0],
            "milliseconds_after": 1000 * result.seconds[1],
            "largest_difference": result.difference,
        }
        for result in results
    ]


def text_table(results: list[Result], num_units: int) -> str:
    """Returns an aligned table, and how to read it."""
    head = [
        "                              parameters      test accuracy %   milliseconds          largest",
        "strength  pixels    units    before   after    before  after   before  after   ratio  difference",
        "--------  ------  ---------  ------  -------  -------  ------  ------  ------  -----  ----------",
    ]
    lines = [
        f"{row['strength']:8.1e}  {row['pixels']:6d}  {row['units_first']:3d} + {row['units_second']:3d}"
        f"  {row['parameters_before']:6d}  {row['parameters_after']:7d}"
        f"  {row['accuracy_before']:7.2f}  {row['accuracy_after']:6.2f}"
        f"  {row['milliseconds_before']:6.2f}  {row['milliseconds_after']:6.2f}"
        f"  {row['milliseconds_before'] / row['milliseconds_after']:5.1f}  {row['largest_difference']:10.1e}"
        for row in rows(results)
    ]
    notes = textwrap.fill(
        f"Before: as trained on 800 images, with {data.NUM_PIXELS} pixels and {num_units} + {num_units} units. After: "
        f"the same network without what is zero. Milliseconds: median of {NUM_PASSES} passes over the 997 test images, "
        "before and after in turns. Largest difference: of two logits.",
        width=100,
    )
    return "\n".join([*head, *lines, "", notes]) + "\n"


def csv_table(results: list[Result]) -> str:
    """Returns the same numbers with more digits."""
    stream = io.StringIO()
    table = rows(results)
    writer = csv.DictWriter(stream, table[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in table)
    return stream.getvalue()


def draw(results: list[Result], num_units: int, path: pathlib.Path) -> None:
    """Draws which pixels are kept, how many units, and what that does to accuracy and time."""
    shown = [results[i] for i in sorted({round(i) for i in np.linspace(0, len(results) - 1, 4)})]
    lasso = results[1:]
    strengths = [result.strength for result in lasso]
    with style.picture(path, 10, 6) as figure:
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[2.6, 3])[:, 0]
        for axes, result in zip(top.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            _pixels(axes, result)
        left, middle, right = bottom.subplots(1, 3)

        sizes = {"first layer": num_units, "second layer": num_units, "pixels": data.NUM_PIXELS}
        kept = [[*result.units, len(result.inputs)] for result in lasso]
        for (name, size), numbers, color in zip(
            sizes.items(), zip(*kept, strict=True), (style.BLUE, style.GREEN, style.ORANGE), strict=True
        ):
            left.plot(strengths, numbers, marker="o", markersize=4, color=color, label=f"{name}, of {size}")
        left.set(xscale="log", xlabel="strength of the group lasso", title="Units and pixels that are kept")
        left.set_ylim(bottom=0)
        left.legend()

        middle.plot(
            [result.parameters[1] for result in lasso],
            [result.accuracy[1] for result in lasso],
            marker="o",
            markersize=4,
            color=style.VERMILION,
            label="group lasso",
        )
        before = results[0]
        middle.plot(before.parameters[0], before.accuracy[0], "s", color="black", markersize=5, label="no penalty")
        middle.set(xscale="log", xlabel="parameters that are left", ylabel="test accuracy (%)", title="What is lost")
        middle.legend(loc="lower right")

        for moment, (name, color) in enumerate([("before", style.GRAY), ("after", style.VERMILION)]):
            times = [1000 * result.seconds[moment] for result in lasso]
            right.plot(strengths, times, marker="o", markersize=4, color=color, label=name)
        right.set(xscale="log", xlabel="strength of the group lasso", ylabel="milliseconds", title="Time of 997 images")
        right.set_ylim(bottom=0)
        right.legend()
        figure.suptitle("A network without its zeros: smaller, faster, and with equal outputs")


def _pixels(axes: Axes, result: Result) -> None:
    shares = np.where(result.pixels > 0, result.pixels / (result.pixels.max() or 1), np.nan)
    axes.imshow(shares.reshape(8, 8), cmap="viridis", vmin=0, vmax=1)
    removed = np.setdiff1d(np.arange(data.NUM_PIXELS), result.inputs)
    axes.scatter(removed % 8, removed // 8, s=14, marker="x", color=style.GRAY, linewidths=0.8)
    name = f"strength {result.strength:.1e}" if result.strength else "no penalty"
    axes.set_title(f"{name}\n{len(result.inputs)} pixels, {result.accuracy[1]:.1f} % right")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="#C0C0C0", linewidth=0.6)


if __name__ == "__main__":
    main()
