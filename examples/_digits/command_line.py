"""What the command lines of the scripts have in common."""

import argparse
import pathlib
import tempfile
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that knows the output folder, shows defaults, and says what is wrong in one line."""

    def __init__(self, prog: str, description: str, *, out: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--out", default=out, metavar="FOLDER", help="output folder")

    def count(self, name: str, default: int, text: str) -> None:
        """Adds an option that is a positive integer."""
        self.add_argument(name, type=_positive, default=default, metavar="N", help=text)

    def folder(self, out: str, files: tuple[str, ...]) -> pathlib.Path:
        """Makes the output folder and tries to write `files`, so that a long run can't fail at its end."""
        if not out:
            self.error("argument --out: must not be empty")
        folder = pathlib.Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            for file in folder.iterdir():
                if file.name in files:
                    file.open("ab").close()
        except OSError as error:
            self.error(f"argument --out: cannot write to {out!r}: {error.strerror}")
        return folder

    def error(self, message: str) -> NoReturn:
        """Ends the program with one line and exit code 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return number
