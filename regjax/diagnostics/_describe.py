"""Which leaves a rule or an optimizer touches, and how."""

import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from regjax import masks
from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.recorder import Told
from regjax._src.table import table
from regjax._src.types import PyTree
from regjax.constraints import Constraint
from regjax.diagnostics._action import Action, actions_of
from regjax.diagnostics._inside import Part, parts
from regjax.diagnostics._orders import ChainOrderWarning, wrong_orders
from regjax.regularizers import Regularizer

# From how many leaves on a table shows those that differ only in numbers as one.
_MANY = 50
# From how many characters on the rules of a leaf stand below each other.
_WIDE = 80


def _is_a_rule(action: Action) -> bool:
    if action.transform == "add_decayed_weights":
        return action.settings.get("weight_decay") != 0  # as in `optax.lamb`, unless it is asked for
    return action.library == "regjax" or action.transform == "keep_params_nonnegative"


class Row(NamedTuple):
    """What is done to one leaf.

    Attributes:
      path: the path of the leaf.
      shape: its shape.
      dtype: the name of its dtype.
      actions: what is done to it, in the order of a chain, by transformations of Optax too.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    actions: tuple[Action, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """Returns what regularizes or constrains the leaf, in the order of a chain; empty where nothing does."""
        return tuple(str(action) for action in self.actions if _is_a_rule(action))


class Step(NamedTuple):
    """One transformation in a chain.

    Attributes:
      transform: its name.
      library: where it is from: "regjax", "optax" or another.
      leaves: the paths of the leaves that it touches.
    """

    transform: str
    library: str
    leaves: tuple[str, ...]


class Description(NamedTuple):
    """What is done to every leaf of a tree; prints as an aligned table.

    Attributes:
      rows: one for each leaf, in the order of `jax.tree.leaves`.
      order: the transformations in the order in which updates pass through them, as far as they can be seen; empty for
        a rule.
      warnings: a sentence for each wrong order, rate or rule that was seen.
    """

    rows: tuple[Row, ...]
    order: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def untouched(self) -> tuple[str, ...]:
        """Returns the paths of the leaves that nothing regularizes or constrains; that training stops does neither."""
        return tuple(row.path for row in self.rows if not set(row.rules) - {"freeze_when_stopped"})

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as dicts and lists that go to JSON."""
        return {
            "rows": [
                {
                    "path": row.path,
                    "shape": list(row.shape),
                    "dtype": row.dtype,
                    "actions": [action.as_dict() for action in row.actions],
                }
                for row in self.rows
            ],
            "order": [step._asdict() | {"leaves": list(step.leaves)} for step in self.order],
            "untouched": list(self.untouched),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = _lines(self.rows) if len(self.rows) < _MANY else _alike(self.rows)
        wide = any(len("; ".join(row.rules)) > _WIDE for _, row in lines)
        cells = [cells for line, row in lines for cells in _cells(line, row.rules, wide)]
        return "\n".join([table(["leaf", "shape", "dtype", "rules"], cells, left=4), *self._below()])

    def _below(self) -> Iterator[str]:
        if any(step.library != "regjax" for step in self.order) or len(self.order) > 1:
            total = len(self.rows)
            shares = [f" ({len(step.leaves)} of {total})" if len(step.leaves) < total else "" for step in self.order]
            steps = [step.transform + share for step, share in zip(self.order, shares, strict=True)]
            yield f"order: {', '.join(steps)}"
        if self.untouched:
            more = len(self.untouched) - 8
            yield f"untouched: {', '.join(self.untouched[:8])}{f' and {more} more' if more > 0 else ''}"
        yield from (f"warning: {text}" for text in self.warnings)


def describe(rule_or_transform: Any, params: PyTree, *, step: int = 0) -> Description:
    """Tells for every leaf what a rule or an optimizer does to it, and warns of what is wrong in a chain.

    Of an optimizer it tells what the transformations of regjax do, wherever they are inside `optax.chain`, `masked`,
    `partition`, `MultiSteps`, `inject_hyperparams` or another wrapper. Those of Optax show in the order below the
    table, and in the data, where the names of their functions tell what they are. The optimizer is initialized
    abstractly, which needs no memory.

    Below the table stand the leaves that no rule touches. A table of many leaves shows those whose paths differ only in
    numbers, with equal shapes and rules, as one line.

    Orders that are known to be wrong, each with what to do instead:

    - `project` or `proximal_step` before something that moves weights: the learning rate, the optimizer, a decay
    - two of `project` of which the second leaves the set of the first
    - two optimizers, or two learning rates, one after the other
    - `proximal_step`, `proximal` or `decoupled_weight_decay` with another learning rate than that of the optimizer
      before or inside it, unless that has momentum, whose step size is another
    - `decoupled_weight_decay` before the moments or the learning rate
    - `add_penalty_gradients` after the moments or the learning rate
    - `optax.add_decayed_weights` after the learning rate: weights grow
    - `proximal_step` without a metric after Adam, RMSprop and their kin: take :func:`regjax.transforms.proximal_adam`
    - a decay, `proximal_step` or `project` after `optax.set_to_zero`
    - anything that goes on moving after `freeze_when_stopped`
    - `proximal_step` or a decay around `optax.MultiSteps`

    And what is wrong in any order:

    - `decoupled_weight_decay` of 0.01 or more, as a number, without a learning rate, unless it has an anchor: weights
      shrink by that share at each step, whatever the learning rate is
    - `project`, `proximal_step` or `proximal` whose rule moves none of the leaves that it is given, as
      `max_norm(1.0, mask="**/bias")`, which leaves arrays with fewer than two axes alone

    Args:
      rule_or_transform: a regularizer, a constraint, a mask, or anything with the `init` of an Optax transformation.
      params: the tree of parameters, or one of `jax.ShapeDtypeStruct`.
      step: the step at which numbers that follow a schedule are shown.

    Returns:
      A description, which prints as a table. `rows` holds the same as data, `order` the transformations one after the
      other, `untouched` the paths of the leaves without a rule, `warnings` what is wrong; `as_dict()` goes to JSON.

    Raises:
      TypeError: if the first argument is none of these, `params` is text, or `step` is no Python integer.
      ValueError: if a mask does not fit `params`, or `step` is negative.

    Warns:
      ChainOrderWarning: for each wrong order, rate or rule that is seen.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.chain(
      ...     optax.adam(1e-3),
      ...     regjax.transforms.decoupled_weight_decay(0.01, 1e-3, mask="**/kernel"),
      ...     regjax.transforms.project(regjax.constraints.max_norm(3.0)),
      ... )
      >>> params = {"dense": {"kernel": jnp.ones((4, 2)), "bias": jnp.zeros(2)}}
      >>> description = regjax.diagnostics.describe(tx, params)
      >>> print(description)
      leaf          shape   dtype    rules
      ------------  ------  -------  --------------------------------------------------------------
      dense/bias    (2,)    float32  -
      dense/kernel  (4, 2)  float32  decoupled_weight_decay: weight_decay=0.01, learning_rate=0.001
                                     project: max_norm(bound=3.0, axis='auto')
      order: scale_by_adam, scale, decoupled_weight_decay (1 of 2), project (1 of 2)
      untouched: dense/bias
      >>> projection = description.rows[1].actions[-1]
      >>> projection.transform, projection.operator, projection.arguments
      ('project', 'max_norm', {'bound': 3.0, 'axis': 'auto'})
      >>> description.untouched
      ('dense/bias',)
    """
    checks.no_text(params, "params")
    step = checks.step_shown(step)
    found = _parts(rule_or_transform, params, step)
    actions = [actions_of(part.told, part.library, step) for part in found]
    # Where Optax flattens a tree there is one vector without a path: what happens to it happens to all leaves.
    of_path = {path: [some.get(path, some.get("")) for some in actions] for path in leaf_paths(params)}
    rows = tuple(
        Row(
            path,
            np.shape(leaf),
            str(jax.numpy.result_type(leaf)),
            tuple(action for action in of_path[path] if action is not None),
        )
        for path, leaf in zip(leaf_paths(params), jax.tree.leaves(params), strict=True)
    )
    if _is_rule(rule_or_transform):
        return Description(rows)
    order = tuple(Step(part.told.transform, part.library, tuple(part.told.leaves)) for part in found)
    description = Description(rows, order, wrong_orders(found, {row.path: row.shape for row in rows}, step))
    for text in description.warnings:
        warnings.warn(text, ChainOrderWarning, stacklevel=2)
    return description


def _is_rule(described: Any) -> bool:
    return isinstance(described, Regularizer | Constraint | masks.Mask)


def _parts(described: Any, params: PyTree, step: int) -> list[Part]:
    if isinstance(described, Regularizer | Constraint):
        touched = [term.touched(masks.resolve(term.mask, params), params) for term in described.terms()]
        return [Part(Told("", leaves, {}), "regjax", {}) for leaves in touched]
    if isinstance(described, masks.Mask):
        chosen = zip(leaf_paths(params), jax.tree.leaves(masks.resolve(described, params)), strict=True)
        return [Part(Told("selected", {path: () for path, yes in chosen if yes}, {}), "regjax", {})]
    checks.has_init(described)
    return parts(described, params, step)


_Line = tuple[list[str], Row]


def _lines(rows: tuple[Row, ...]) -> list[_Line]:
    return [([row.path, str(row.shape), row.dtype], row) for row in rows]


def _alike(rows: tuple[Row, ...]) -> list[_Line]:
    """Returns one line for the leaves that differ only in the numbers in their paths."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault((re.sub(r"\d+", "*", row.path), row.shape, row.dtype, row.rules), []).append(row)
    return [
        ([f"{pattern} (x{len(some)})" if len(some) > 1 else some[0].path, str(shape), dtype], some[0])
        for (pattern, shape, dtype, _), some in found.items()
    ]


def _cells(line: list[str], rules: tuple[str, ...], wide: bool) -> list[list[str]]:
    if not wide:
        return [[*line, "; ".join(rules) or "-"]]
    return [[*([""] * len(line) if after else line), rule] for after, rule in enumerate(rules or ("-",))]
