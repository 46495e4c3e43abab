"""The table: what the methods achieve, as text and as CSV."""

import csv
import io
import math
import textwrap

import numpy as np

from _digits.standard_error import standard_error
from _digits.training import Trained

# Three lines for each column.
_HEADER = (
    ("", "", "method"),
    ("train loss", "as", "trained"),
    ("train loss", "without", "dropout"),
    ("", "validation", "accuracy %"),
    ("", "test", "accuracy %"),
    ("gain over", "baseline,", "points"),
    ("", "exact", "zeros %"),
    ("", "largest", "unit norm"),
    ("", "pixels", "kept"),
    ("", "", "seconds"),
)


def text_table(results: list[Trained]) -> str:
    """Returns an aligned table and how to read it."""
    lines = [[column[line] for column in _HEADER] for line in range(3)] + [_cells(row) for row in rows(results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(3, ["-" * width for width in widths])
    aligned = [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]).rstrip() for first, *others in lines
    ]
    return "\n".join([*aligned, "", _notes(results)]) + "\n"


def csv_table(results: list[Trained]) -> str:
    """Returns the same numbers with more digits; a field is empty where there is no number."""
    table = rows(results)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table[0])
    for row in table:
        writer.writerow(_field(value) for value in row.values())
    return stream.getvalue()


def rows(results: list[Trained]) -> list[dict[str, str | float]]:
    """Returns the numbers of each method by name: means over seeds and standard errors; accuracies in percent."""
    return [_row(trained, results) for trained in results]


def _row(trained: Trained, results: list[Trained]) -> dict[str, str | float]:
    final = trained.final
    validation, test = 100 * trained.curves.validation_accuracy[-1], 100 * final.test_accuracy
    # Seed by seed, because a baseline has had the same images.
    gains = [
        test - 100 * other.final.test_accuracy
        for other in results
        if other.method.name == trained.method.baseline != trained.method.name
    ]
    gain = gains[0] if gains else np.array(math.nan)
    return {
        "method": trained.method.name,
        "train_loss_as_trained": float(final.noisy_train_loss.mean()),
        "train_loss": float(final.train_loss.mean()),
        "validation_accuracy": float(validation.mean()),
        "validation_accuracy_error": standard_error(validation),
        "test_accuracy": float(test.mean()),
        "test_accuracy_error": standard_error(test),
        "gain": float(gain.mean()),
        "gain_error": standard_error(gain),
        "zeros": 100 * float(final.zeros.mean()),
        "largest_unit_norm": float(final.unit_norm.max()),
        "pixels_kept": float(final.pixels.mean()),
        "seconds": trained.seconds,
    }


def _cells(row: dict[str, str | float]) -> list[str]:
    significant = abs(float(row["gain"])) > 2 * float(row["gain_error"])
    return [
        str(row["method"]),
        f"{row['train_loss_as_trained']:.4f}",
        f"{row['train_loss']:.4f}",
        _with_error(row["validation_accuracy"], row["validation_accuracy_error"]),
        _with_error(row["test_accuracy"], row["test_accuracy_error"]),
        _with_error(row["gain"], row["gain_error"], sign="+") + (" *" if significant else "  "),
        f"{row['zeros']:.1f}",
        f"{row['largest_unit_norm']:.2f}",
        f"{row['pixels_kept']:.1f}",
        f"{row['seconds']:.1f}",
    ]


def _with_error(mean: str | float, error: str | float, *, sign: str = "") -> str:
    if math.isnan(float(mean)):
        return "-"
    number = f"{mean:{sign}.2f}"
    return number if math.isnan(float(error)) else f"{number} ± {error:.2f}"


def _field(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def _notes(results: list[Trained]) -> str:
    num_seeds = len(results[0].final.train_loss)
    baselines = dict.fromkeys(trained.method.baseline for trained in results)
    seeds = "1 seed" if num_seeds == 1 else f"{num_seeds} seeds"
    return textwrap.fill(
        f"Means over {seeds}, ± standard error. Each seed has its own 300 training and 500 validation images, "
        "initialization, order of batches and dropout; the 997 test images are the same for all. The largest unit norm "
        "is that of all seeds. Gain: test accuracy minus that of the same network without regularization "
        f"({', '.join(baselines)}), seed by seed; * marks more than two standard errors.",
        width=115,
    )
