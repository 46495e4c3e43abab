"""Kinds of values, and words."""

from collections.abc import Iterable, Mapping
from typing import Any

from regjax._src.checks._lists import shown


def instance(name: str, value: Any, kind: Any, requirement: str) -> None:
    """Checks the kind of a value."""
    if not isinstance(value, kind):
        raise TypeError(f"`{name}` must {requirement}, got {shown(value)}")


def flag(name: str, value: Any) -> None:
    """Checks a switch."""
    instance(name, value, bool, "be True or False")


def one_of(name: str, value: Any, choices: Iterable[object]) -> None:
    """Checks a word, or a number that stands for a choice."""
    words = tuple(choices)
    if not any(isinstance(value, type(word)) and value == word for word in words):
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, words))}, got {shown(value)}")


def mapping(name: str, value: Any) -> None:
    """Checks a dictionary of rules."""
    if not isinstance(value, Mapping):
        raise TypeError(f"`{name}` must be a mapping from patterns to rules, got {shown(value)}")
    if not value:
        raise ValueError(f"`{name}` must have at least one pattern, got none")


def given(name: str, value: Any) -> None:
    """Checks an argument that has no default."""
    if value is None:
        raise TypeError(f"`{name}` must be a tree of arrays, got None")
