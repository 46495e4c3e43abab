"""The command line of `digits.py`."""

import argparse
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from _digits.command_line import Parser
from _digits.methods import METHODS, Method

FILES = ("table.txt", "table.csv", "learning_curves.png", "weights.png", "pixels.png", "uncertainty.png")


class Options(NamedTuple):
    """What the user asks for."""

    num_epochs: int
    num_seeds: int
    methods: list[Method]
    folder: pathlib.Path


def parse(argv: Sequence[str] | None) -> Options:
    """Reads the command line and makes the output folder, or ends the program with exit code 2."""
    parser = Parser(
        "digits.py",
        "Trains small networks on 300 handwritten digits with different kinds of regularization, prints a "
        "table that compares them and draws pictures.",
        out="results/digits",
    )
    parser.count("--epochs", 150, "epochs of training")
    parser.count("--seeds", 10, "networks for each method")
    parser.add_argument(
        "--methods", type=_methods, default=",".join(METHODS), metavar="A,B", help="methods, separated by commas"
    )
    parser.add_argument("--list", action="store_true", help="show the methods and stop")
    arguments = parser.parse_args(argv)
    if arguments.list:
        width = max(map(len, METHODS))
        print("\n".join(f"{name:{width}}  {method.describe()}" for name, method in METHODS.items()))
        parser.exit()
    folder = parser.folder(arguments.out, FILES)
    return Options(arguments.epochs, arguments.seeds, arguments.methods, folder)


def _methods(text: str) -> list[Method]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METHODS:
            raise argparse.ArgumentTypeError(f"unknown method {name!r}, choose from {', '.join(METHODS)}")
    return [METHODS[name] for name in dict.fromkeys(names)]
