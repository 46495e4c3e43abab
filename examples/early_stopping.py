"""Early stopping of a whole sweep in one compiled program: `python examples/early_stopping.py`.

Networks are trained on three hundred handwritten digits with 32 strengths of an L2 penalty and several seeds, all lanes
of one `vmap`. Each lane watches its own validation loss, stops by itself, and keeps the parameters that were best. The
same compiled program then trains with a patience that never ends, to tell what stopping was good for.

It takes a minute or two on two cores, prints a table, and draws where each lane stopped. What is watched is what gets
better: accuracy still rises a little here when the loss does no longer.
"""

import csv
import io
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

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

FILES = ("table.txt", "table.csv", "early_stopping.png")
BATCH_SIZE = 50
LEARNING_RATE = 2e-3
# Images and labels to train on, and those to validate with.
Images: TypeAlias = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class Network(nn.Module):
    """Two hidden layers of 64 units, more than three hundred images can keep in check."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        for _ in range(2):
            images = nn.relu(nn.Dense(64)(images))
        return nn.Dense(data.NUM_CLASSES)(images)


class Lane(NamedTuple):
    """What one strength and one seed carry from epoch to epoch."""

    params: Any
    optimizer: Any
    stopping: regjax.stopping.EarlyStoppingState


class Swept(NamedTuple):
    """What came out; arrays `[strengths, seeds]`, the curves with an axis of epochs in front.

    Attributes:
      best_epoch: the epoch with the smallest validation loss, from 1.
      last_epoch: the epoch that was the last.
      validation_loss: the smallest validation loss.
      test_accuracy: that of the parameters that had it.
      last_accuracy: that of the parameters at the end.
      curves: validation losses, NaN once a lane has stopped.
    """

    best_epoch: np.ndarray
    last_epoch: np.ndarray
    validation_loss: np.ndarray
    test_accuracy: np.ndarray
    last_accuracy: np.ndarray
    curves: np.ndarray


def loss(params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns the cross-entropy, without a penalty."""
    return regjax.losses.softmax_cross_entropy(_logits(params, images), labels).mean()


def start(strength: jax.Array, seed: jax.Array, patience: jax.Array) -> Lane:
    """Begins one lane."""
    params = Network().init(jax.random.key(seed), jnp.zeros((1, data.NUM_PIXELS)))
    return Lane(params, _optimizer(strength).init(params), _rule(patience).init(params))


def epoch(
    lane: Lane, strength: jax.Array, seed: jax.Array, patience: jax.Array, images: Images
) -> tuple[Lane, jax.Array]:
    """Trains one lane for an epoch and judges it; one that has stopped stays as it is."""
    train_images, train_labels, validation_images, validation_labels = images
    optimizer = _optimizer(strength)
    key = jax.random.fold_in(jax.random.key(seed), lane.stopping.step)
    order = jax.random.permutation(key, data.NUM_TRAIN).reshape(-1, BATCH_SIZE)

    def step(carry: tuple[Any, Any], chosen: jax.Array) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        gradients = jax.grad(loss)(params, train_images[chosen], train_labels[chosen])
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, state), _ = jax.lax.scan(step, (lane.params, lane.optimizer), order)
    metric = loss(params, validation_images, validation_labels)
    trained = Lane(params, state, _rule(patience).update(lane.stopping, metric, params))
    stopped = lane.stopping.should_stop
    kept = jax.tree.map(lambda old, new: jnp.where(stopped, old, new), lane, trained)
    return kept, jnp.where(stopped, jnp.nan, metric)


# Strengths are the outer axis; seeds, which have images of their own, the inner one.
start_all = jax.jit(jax.vmap(jax.vmap(start, (None, 0, None)), (0, None, None)))
train_epoch = jax.jit(jax.vmap(jax.vmap(epoch, (0, None, 0, None, 0)), (0, 0, None, None, None)), donate_argnums=0)


@jax.jit
def accuracies(params: Any, images: data.Data) -> jax.Array:
    """Returns the share of the test images that every lane gets right."""

    def one(params: Any) -> jax.Array:
        return jnp.mean(jnp.argmax(_logits(params, images.test_images), axis=-1) == images.test_labels)

    return jax.vmap(jax.vmap(one))(params)


def sweep(
    strengths: np.ndarray, seeds: list[int], *, patience: int, num_epochs: int, on_epoch: Callable[[int], object]
) -> Swept:
    """Trains all lanes until each has stopped.

    Args:
      strengths: one L2 strength for each row of lanes.
      seeds: one for each column; it decides on images, initialization and batches.
      patience: epochs without improvement until a lane stops.
      num_epochs: the last epoch of lanes that don't stop.
      on_epoch: called after each epoch with the number of lanes that still run.
    """
    images = data.load(seeds)
    rows, columns, waiting = jnp.asarray(strengths, jnp.float32), jnp.asarray(seeds), jnp.int32(patience)
    lanes = start_all(rows, columns, waiting)
    curves = []
    for _ in range(num_epochs):
        lanes, losses = train_epoch(lanes, rows, columns, waiting, images[:4])
        curves.append(np.asarray(losses))
        running = int(np.sum(~np.asarray(lanes.stopping.should_stop)))
        on_epoch(running)
        if running == 0:
            break
    stopping = jax.tree.map(np.asarray, lanes.stopping._replace(best_params=None))
    return Swept(
        stopping.best_step + 1,
        stopping.step,
        stopping.best_metric,
        np.asarray(accuracies(lanes.stopping.best_params, images)),
        np.asarray(accuracies(lanes.params, images)),
        np.stack(curves),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Trains both sweeps, prints the table, and writes it to the output folder together with the picture.

    Args:
      argv: the command line without the name of the program; None means that of the process.
    """
    parser = Parser(
        "early_stopping.py", "Early stopping of a whole sweep in one program.", out="results/early_stopping"
    )
    parser.count("--epochs", 300, "epochs of lanes that do not stop")
    parser.count("--seeds", 5, "networks for each strength")
    parser.count("--strengths", 32, "strengths of the L2 penalty")
    parser.count("--patience", 10, "epochs without improvement until a lane stops")
    chosen = parser.parse_args(argv)
    folder = parser.folder(chosen.out, FILES)
    strengths, seeds = np.geomspace(1e-5, 3e-2, chosen.strengths), list(range(chosen.seeds))

    def run(name: str, patience: int) -> Swept:
        with tqdm(total=chosen.epochs, unit="epoch", desc=name) as bar:

            def on_epoch(running: int) -> None:
                bar.set_postfix_str(f"{running} of {strengths.size * len(seeds)} lanes run", refresh=False)
                bar.update()

            return sweep(strengths, seeds, patience=patience, num_epochs=chosen.epochs, on_epoch=on_epoch)

    stopped = run("stopping", chosen.patience)
    endless = run("never stopping", chosen.epochs + 1)
    table = rows(strengths, stopped, endless)
    (folder / "table.csv").write_text(_csv(table), encoding="utf-8")
    text = text_table(table, len(seeds), chosen.patience)
    (folder / "table.txt").write_text(text, encoding="utf-8")
    print(text)
    draw(strengths, stopped, endless, folder / "early_stopping.png")
    print(f"In {folder}: {', '.join(FILES)}")


def rows(strengths: np.ndarray, stopped: Swept, endless: Swept) -> list[dict[str, float]]:
    """Returns the numbers of each strength by name, means over seeds; accuracies in percent."""
    return [
        {
            "strength": float(strength),
            "best_epoch": float(stopped.best_epoch[i].mean()),
            "last_epoch": float(stopped.last_epoch[i].mean()),
            "validation_loss": float(stopped.validation_loss[i].mean()),
            "validation_loss_never_stopping": float(endless.curves[-1, i].mean()),
            "test_accuracy": 100 * float(stopped.test_accuracy[i].mean()),
            "test_accuracy_never_stopping": 100 * float(endless.last_accuracy[i].mean()),
        }
        for i, strength in enumerate(strengths)
    ]


def text_table(table: list[dict[str, float]], num_seeds: int, patience: int) -> str:
    """Returns an aligned table of at most nine of the strengths, and how to read it."""
    shown = [table[i] for i in sorted({round(i) for i in np.linspace(0, len(table) - 1, 9)})]
    head = [
        "                epoch         validation loss      test accuracy %",
        "L2 strength   best  last   stopped   never stopped  stopped  never stopped",
        "-----------  -----  -----  --------  -------------  -------  -------------",
    ]
    lines = [
        f"{row['strength']:11.1e}  {row['best_epoch']:5.1f}  {row['last_epoch']:5.1f}  {row['validation_loss']:8.4f}"
        f"  {row['validation_loss_never_stopping']:13.4f}  {row['test_accuracy']:7.2f}"
        f"  {row['test_accuracy_never_stopping']:13.2f}"
        for row in shown
    ]
    notes = [
        "",
        f"Means over {num_seeds} seeds. Stopped: the parameters with the smallest validation loss, found with a",
        f"patience of {patience} epochs. Never stopped: those of the last epoch. All strengths are in table.csv.",
    ]
    return "\n".join([*head, *lines, *notes]) + "\n"


def draw(strengths: np.ndarray, stopped: Swept, endless: Swept, path: pathlib.Path) -> None:
    """Draws the validation loss over the strength, where each lane stopped, and the curves of some lanes."""
    with style.picture(path, 11, 4) as figure:
        left, middle, right = figure.subplots(1, 3)
        _band(left, strengths, stopped.validation_loss, "stopped: the best epoch", style.BLUE)
        _band(left, strengths, endless.curves[-1], "never stopped: the last epoch", style.VERMILION)
        left.set(xscale="log", xlabel="L2 strength", ylabel="validation loss (nats)", title="What stopping is good for")
        left.legend(loc="upper left")

        every = np.broadcast_to(strengths[:, None], stopped.last_epoch.shape)
        middle.scatter(every, stopped.last_epoch, s=9, color=style.VERMILION, label="stopped", linewidth=0)
        middle.scatter(every, stopped.best_epoch, s=9, color=style.BLUE, label="best parameters", linewidth=0)
        middle.set(xscale="log", xlabel="L2 strength", ylabel="epoch", title="Where each lane stopped by itself")
        middle.legend(loc="upper left")

        epochs = np.arange(1, len(endless.curves) + 1)
        weakest, middling, strongest = 0, len(strengths) // 2, len(strengths) - 1
        chosen = {strongest: style.PURPLE, middling: style.GREEN, weakest: style.ORANGE}
        for index, color in chosen.items():
            curve = endless.curves[:, index, 0]
            last, best = stopped.last_epoch[index, 0], stopped.best_epoch[index, 0]
            right.plot(epochs, curve, color=color, linewidth=1, linestyle=":")
            right.plot(epochs[:last], curve[:last], color=color, label=f"strength {strengths[index]:.0e}")
            right.plot(best, curve[best - 1], "o", color=color, markersize=5)
            right.plot(last, curve[last - 1], "x", color=color, markersize=7)
        right.plot([], [], "o", color="black", markersize=5, label="best parameters")
        right.plot([], [], "x", color="black", markersize=7, label="stopped")
        right.plot([], [], ":", color="black", linewidth=1, label="had it gone on")
        right.set(xlabel="epoch", ylabel="validation loss (nats)", title="Three lanes of the first seed")
        right.set_ylim(0, 2 * float(np.nanmax(endless.curves[-1])))
        right.legend(ncols=2)


def _band(axes: Axes, strengths: np.ndarray, values: np.ndarray, label: str, color: str) -> None:
    axes.plot(strengths, values.mean(axis=1), color=color, label=label)
    axes.fill_between(strengths, values.min(axis=1), values.max(axis=1), color=color, alpha=0.2, linewidth=0)


def _csv(table: list[dict[str, float]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, table[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in table)
    return stream.getvalue()


def _logits(params: Any, images: jax.Array) -> jax.Array:
    return jnp.asarray(Network().apply(params, images))


def _rule(patience: jax.Array) -> regjax.stopping.EarlyStopping:
    return regjax.stopping.early_stopping(patience=patience, keep_best=True)


def _optimizer(strength: jax.Array) -> optax.GradientTransformationExtraArgs:
    kernels = regjax.regularizers.l2(strength, mask="**/kernel")
    return optax.chain(regjax.transforms.add_penalty_gradients(kernels), optax.adam(LEARNING_RATE))


if __name__ == "__main__":
    main()
