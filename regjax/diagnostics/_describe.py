"""Which leaves a rule or an optimizer touches, and how."""

from typing import Any, NamedTuple

import jax
import numpy as np

from regjax import masks
from regjax._src import checks, recorder
from regjax._src.paths import leaf_paths
from regjax._src.table import table
from regjax._src.types import PyTree
from regjax.constraints import Constraint
from regjax.regularizers import Regularizer


class Row(NamedTuple):
    """What is done to one leaf.

    Attributes:
      path: the path of the leaf.
      shape: its shape.
      dtype: the name of its dtype.
      rules: what is done to it, in the order of a chain; empty where nothing is.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    rules: tuple[str, ...]


class Description(NamedTuple):
    """What is done to every leaf of a tree; prints as an aligned table.

    Attributes:
      rows: one for each leaf, in the order of `jax.tree.leaves`.
    """

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        cells = [[row.path, str(row.shape), row.dtype, "; ".join(row.rules) or "-"] for row in self.rows]
        return table(["leaf", "shape", "dtype", "rules"], cells, left=4)


def describe(rule_or_transform: Any, params: PyTree) -> Description:
    """Tells for every leaf what a rule or an optimizer does to it.

    Of an optimizer it tells what the transformations of regjax do, wherever they are inside `optax.chain`, `masked`,
    `partition`, `MultiSteps` or `inject_hyperparams`; other transformations do not show. The optimizer is initialized
    abstractly, which needs no memory.

    Args:
      rule_or_transform: a regularizer, a constraint, a mask, or anything with the `init` of an Optax transformation.
      params: the tree of parameters, or one of `jax.ShapeDtypeStruct`.

    Returns:
      A description.

    Raises:
      TypeError: if the first argument is none of these.
      ValueError: if a mask does not fit `params`.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.chain(
      ...     optax.adam(1e-3),
      ...     regjax.transforms.decoupled_weight_decay(0.01, 1e-3, mask="**/kernel"),
      ...     regjax.transforms.project(regjax.constraints.non_negative()),
      ... )
      >>> params = {"dense": {"kernel": jnp.ones((4, 2)), "bias": jnp.zeros(2)}}
      >>> print(regjax.diagnostics.describe(tx, params))
      leaf          shape   dtype    rules
      ------------  ------  -------  ---------------------------------------------------------------------
      dense/bias    (2,)    float32  project: non_negative()
      dense/kernel  (4, 2)  float32  decoupled_weight_decay: 0.01 * learning_rate; project: non_negative()
    """
    layers = _layers(rule_or_transform, params)
    return Description(
        tuple(
            Row(
                path,
                np.shape(leaf),
                str(jax.numpy.result_type(leaf)),
                tuple(layer[path] for layer in layers if path in layer),
            )
            for path, leaf in zip(leaf_paths(params), jax.tree.leaves(params), strict=True)
        )
    )


def _layers(described: Any, params: PyTree) -> list[recorder.Touched]:
    if isinstance(described, Regularizer | Constraint):
        return [term.touched(masks.resolve(term.mask, params), params) for term in described.terms()]
    if isinstance(described, masks.Mask):
        chosen = jax.tree.leaves(masks.resolve(described, params))
        return [{path: "selected" for path, yes in zip(leaf_paths(params), chosen, strict=True) if yes}]
    checks.has_init(described)
    with recorder.listen() as heard:
        jax.eval_shape(described.init, params)
    return heard
