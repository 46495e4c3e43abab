"""The command line."""

import argparse
import pathlib
import tempfile
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from _digits.methods import METHODS, Method

FILES = ("table.txt", "table.csv", "learning_curves.png", "weights.png", "pixels.png", "uncertainty.png")


class Options(NamedTuple):
    """What the user asks for."""

    num_epochs: int
    num_seeds: int
    methods: list[Method]
    folder: pathlib.Path


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with one line and exit code 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse(argv: Sequence[str] | None) -> Options:
    """Reads the command line and makes the output folder, or ends the program with exit code 2."""
    parser = Parser(
        prog="digits.py",
        description="Trains small networks on 300 handwritten digits with different kinds of regularization, prints a "
        "table that compares them and draws pictures.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--epochs", type=_positive, default=150, metavar="N", help="epochs of training")
    parser.add_argument("--seeds", type=_positive, default=10, metavar="N", help="networks for each method")
    parser.add_argument(
        "--methods", type=_methods, default=",".join(METHODS), metavar="A,B", help="methods, separated by commas"
    )
    parser.add_argument("--out", default="results/digits", metavar="FOLDER", help="output folder")
    parser.add_argument("--list", action="store_true", help="show the methods and stop")
    arguments = parser.parse_args(argv)
    if arguments.list:
        width = max(map(len, METHODS))
        print("\n".join(f"{name:{width}}  {method.describe()}" for name, method in METHODS.items()))
        parser.exit()
    if not arguments.out:
        parser.error("argument --out: must not be empty")
    try:
        folder = _writable(arguments.out)
    except OSError as error:
        parser.error(f"argument --out: cannot write to {arguments.out!r}: {error.strerror}")
    return Options(arguments.epochs, arguments.seeds, arguments.methods, folder)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return number


def _methods(text: str) -> list[Method]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METHODS:
            raise argparse.ArgumentTypeError(f"unknown method {name!r}, choose from {', '.join(METHODS)}")
    return [METHODS[name] for name in dict.fromkeys(names)]


def _writable(text: str) -> pathlib.Path:
    """Makes the folder and writes to it, so that a long run does not fail at its end."""
    folder = pathlib.Path(text)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    for file in folder.iterdir():
        if file.name in FILES:
            file.open("ab").close()
    return folder
