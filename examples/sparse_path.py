"""Whole regularization paths in one program each: `python examples/sparse_path.py`.

A strength is a number like any other, so `vmap` over it solves a problem with many of them at once. The script does it
twice: for the lasso on diabetes with the hundred strengths of scikit-learn's `lasso_path`, whose curves these lie on;
and for networks on handwritten digits that pay for each pixel they look at. It also differentiates with respect to a
strength, and so finds by gradient descent the one that is best for new patients.

It takes a minute or two on two cores, prints tables, and draws the paths. The problems are in `_sparse_path`.
"""

import csv
import io
import textwrap
from collections.abc import Sequence

import numpy as np
from _digits import data
from _digits.command_line import Parser
from _sparse_path import lasso, network, pictures
from tqdm import tqdm

# The strength, of a hundred, from which the descent begins: one in whose lasso only three features are left.
START = 12
FILES = ("table.txt", "lasso.csv", "pixels.csv", "tuned.csv", "lasso.png", "pixels.png", "tuned.png")


def main(argv: Sequence[str] | None = None) -> None:
    """Computes the paths, prints the tables, and writes them to the output folder together with the pictures.

    Args:
      argv: the command line without the name of the program; None means that of the process.
    """
    parser = Parser("sparse_path.py", "Whole regularization paths in one program.", out="results/sparse_path")
    parser.count("--steps", 2000, "steps of training of the networks")
    parser.count("--strengths", 32, "strengths of the group lasso, a network each")
    parser.count("--units", 32, "hidden units of a network")
    chosen = parser.parse_args(argv)
    folder = parser.folder(chosen.out, FILES)

    path = lasso.path(lasso.patients())
    train, validation = lasso.halves()
    halves = lasso.single(train), lasso.single(validation)
    strengths = lasso.strengths_of(train)
    losses = np.asarray(lasso.validation_losses(strengths, *halves))
    tuned = lasso.Tuned(*map(np.asarray, lasso.tune(strengths[START], *halves)))
    difference = lasso.finite_difference(float(strengths[START]), train, validation)

    sizes = {"num_units": chosen.units, "num_steps": chosen.steps}
    with tqdm(total=chosen.steps, unit="step", desc=f"{chosen.strengths} networks at once") as bar:
        groups = np.geomspace(2e-4, 2.5e-2, chosen.strengths, dtype=np.float32)
        trained = network.path(groups, data.load([0]), **sizes, on_step=bar.update)

    tables = {"lasso": lasso_rows(path), "pixels": pixel_rows(trained), "tuned": tuned_rows(tuned)}
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(_csv(table), encoding="utf-8")
    text = "\n".join(
        [lasso_text(path), tuned_text(strengths, losses, tuned, difference), pixels_text(trained, chosen.steps)]
    )
    (folder / "table.txt").write_text(text, encoding="utf-8")
    print(text)
    pictures.draw_lasso(path, folder / "lasso.png")
    pictures.draw_pixels(trained, folder / "pixels.png")
    pictures.draw_tuned(strengths, losses, tuned, folder / "tuned.png")
    print(f"In {folder}: {', '.join(FILES)}")


def lasso_rows(path: lasso.Path) -> list[dict[str, float]]:
    """Returns the numbers of each strength of the lasso by name."""
    nonzero, reference = (np.count_nonzero(weights, axis=1) for weights in (path.weights, path.reference))
    columns = (path.strengths, nonzero, reference, path.same_zeros, path.differences)
    names = ("strength", "nonzero", "nonzero_reference", "same_zeros", "largest_difference")
    return _rows(names, *columns)


def tuned_rows(tuned: lasso.Tuned) -> list[dict[str, float]]:
    """Returns the numbers of each update by name."""
    return _rows(("strength", "validation_loss", "gradient"), *tuned)


def pixel_rows(trained: network.Trained) -> list[dict[str, float]]:
    """Returns the numbers of each network by name; accuracies in percent."""
    columns = (trained.strengths, trained.pixels, 100 * trained.accuracy, trained.optimality)
    return _rows(("strength", "pixels", "test_accuracy", "optimality"), *columns)


def lasso_text(path: lasso.Path) -> str:
    """Returns a table of some strengths, and how far the two paths are apart."""
    lines = [
        "The path of the lasso on diabetes, beside that of scikit-learn",
        "",
        "            weights not zero       largest",
        "strength  regjax  scikit-learn  difference",
        "--------  ------  ------------  ----------",
    ]
    lines += [
        f"{row['strength']:8.3g}  {row['nonzero']:6.0f}  {row['nonzero_reference']:12.0f}"
        f"  {row['largest_difference']:10.1e}"
        for row in _some(lasso_rows(path))
    ]
    largest, weight = path.differences.max(), np.abs(path.reference).max()
    notes = textwrap.fill(
        f"All {len(path.strengths)} strengths in one program, {lasso.NUM_STEPS} steps each, in float32; scikit-learn's "
        f"lasso_path in float64. Largest difference of two weights: {largest:.1e}, which is {largest / weight:.1e} of "
        f"the largest weight, {weight:.1f}. The same weights are zero at {path.same_zeros.sum()} of "
        f"{len(path.strengths)} strengths.",
        width=100,
    )
    return "\n".join([*lines, "", notes]) + "\n"


def tuned_text(strengths: np.ndarray, losses: np.ndarray, tuned: lasso.Tuned, difference: float) -> str:
    """Returns a table of two strengths, the best of the path and the one that the descent has found."""
    best = losses.argmin()
    lines = [
        "The strength of the lasso, by its validation loss",
        "",
        "                          strength  validation loss",
        "------------------------  --------  ---------------",
        f"start of the descent      {tuned.strengths[0]:8.3f}  {tuned.losses[0]:15.2f}",
        f"end of the descent        {tuned.strengths[-1]:8.3f}  {tuned.losses[-1]:15.2f}",
        f"best of the path          {strengths[best]:8.3f}  {losses[best]:15.2f}",
    ]
    notes = textwrap.fill(
        f"One half of the patients trains, the other validates; the loss is the mean squared error. The gradient with "
        f"respect to the strength, both as logarithms: {tuned.gradients[0]:.6f} at the start; {difference:.6f} by a "
        f"difference of two solutions of scikit-learn. The descent takes {len(tuned.strengths) - 1} steps.",
        width=100,
    )
    return "\n".join([*lines, "", notes]) + "\n"


def pixels_text(trained: network.Trained, num_steps: int) -> str:
    """Returns a table of some of the networks."""
    lines = [
        "The path of a network on digits, with a group lasso by pixel",
        "",
        "strength  pixels  test accuracy %  optimality",
        "--------  ------  ---------------  ----------",
    ]
    lines += [
        f"{row['strength']:8.1e}  {row['pixels']:6.0f}  {row['test_accuracy']:15.2f}  {row['optimality']:10.1e}"
        for row in _some(pixel_rows(trained))
    ]
    notes = textwrap.fill(
        f"All {len(trained.strengths)} networks in one program, {num_steps} steps each on 800 images at once. "
        "Optimality: how far the gradients are from what the penalty allows, in the unit of the strength; 0 says that "
        "the network is at a minimum.",
        width=100,
    )
    return "\n".join([*lines, "", notes]) + "\n"


def _rows(names: Sequence[str], *columns: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def _some(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [rows[i] for i in sorted({round(i) for i in np.linspace(0, len(rows) - 1, 12)})]


def _csv(table: list[dict[str, float]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, table[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in table)
    return stream.getvalue()


if __name__ == "__main__":
    main()
