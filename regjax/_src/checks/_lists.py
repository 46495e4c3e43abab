"""How messages show a list."""


def some(paths: list[str]) -> str:
    """Returns the first of some paths, and how many more there are."""
    shown = ", ".join(map(repr, paths[:8]))
    return shown if len(paths) <= 8 else f"{shown} and {len(paths) - 8} more"
