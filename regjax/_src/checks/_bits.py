"""Rates that are made of few random bits."""

from typing import Any

from regjax._src.checks._kinds import one_of
from regjax._src.checks._lists import shown


def bits(width: Any, widths: tuple[int, ...]) -> None:
    """Checks how many random bits decide on an entry: a Python integer, because it sets shapes."""
    if type(width) is not int:
        raise TypeError(f"`bits` must be a Python integer, got {type(width).__name__}")
    one_of("bits", width, widths)


def rate_in_steps(name: str, rate: float, kept: int, width: int) -> None:
    """Refuses a rate that rounding to multiples of 2^-width would make 0 or 1.

    Args:
      name: of the argument.
      rate: as it was given, neither 0 nor 1.
      kept: how many of the 2^width values are kept.
      width: the number of bits for each entry.
    """
    if not 0 < kept < 2**width:
        half = 2.0 ** -(width + 1)
        ends = f"above {half:.3g} and below 1 - {half:.3g}"
        raise ValueError(
            f"`{name}` must be 0, 1, or {ends} where `bits` is {width}, got {shown(rate)} (more bits are nearer)"
        )
