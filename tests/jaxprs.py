"""What a program was traced to."""

from typing import Any

import jax


def equations(jaxpr: Any, name: str) -> list[Any]:
    """Returns all equations of a program whose primitive has this in its name, those within others too."""
    found = []
    for equation in jaxpr.eqns:
        if name in equation.primitive.name:
            found.append(equation)
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            within = getattr(inner, "jaxpr", inner)
            if hasattr(within, "eqns"):
                found += equations(within, name)
    return found
