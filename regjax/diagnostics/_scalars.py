"""Numbers to log from inside of a training step."""

import functools
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import add, compute_dtype, nearer, root
from regjax._src.tree import floating_items
from regjax._src.types import Array, PyTree
from regjax._src.value import Rules
from regjax.constraints import Constraint
from regjax.diagnostics._optimality import optimality
from regjax.diagnostics._sparsity import group_sparsity, sparsity
from regjax.regularizers import Regularizer


def scalars(
    params: PyTree,
    *,
    regularizer: Regularizer | None = None,
    constraint: Constraint | None = None,
    gradients: PyTree | None = None,
    updates: PyTree | None = None,
) -> dict[str, Array]:
    r"""Computes what is worth logging of a training step, as one flat dict of scalars.

    ===========================  ==========================  ==================================================
    name                         with                        number
    ===========================  ==========================  ==================================================
    norm/params                                              :math:`\|w\|_2` over all leaves
    norm/gradients               `gradients`                 the same of the gradients
    norm/updates                 `updates`                   the same of the updates
    sparsity                                                 :math:`\#\{i : w_i = 0\} / n` over all leaves
    sparsity/RULE                `regularizer`               the same over the leaves of one rule
    group_sparsity/RULE          `regularizer`, of groups    the share of its groups that are zero
    penalty                      `regularizer`               :math:`\Omega(w)`
    penalty/RULE                 `regularizer`               what one rule adds to it
    optimality                   `regularizer`, `gradients`  :func:`regjax.diagnostics.optimality`
    violation                    `constraint`                how far the projection would move an entry
    violation/RULE               `constraint`                the same for one rule
    ===========================  ==========================  ==================================================

    RULE is the pattern of the rule in `by_path`, and the name of the penalty or of the projection where there is one
    only. Which names there are depends on the arguments alone, never on numbers, so the dict can be returned from
    `jit` beside the loss, stacked over the steps of `scan` and mapped by `vmap`; nothing calls back to the host. What
    is not used costs nothing in a compiled step.

    Args:
      params: a tree of parameters.
      regularizer: the penalty, its strength and its mask.
      constraint: the projection, its bound and its mask.
      gradients: the gradients of the loss without the penalty, a tree like `params`.
      updates: what the optimizer adds to the parameters, a tree like `params`.

    Returns:
      A dict from names to scalars in float32.

    Raises:
      TypeError: if `regularizer` is not a regularizer, or `constraint` is not a constraint.
      ValueError: if a mask does not fit `params`, `gradients` does not fit them, or there is no measure of optimality
        for the penalty.

    Examples:
      >>> import jax, jax.numpy as jnp, optax, regjax
      >>> l1 = regjax.regularizers.l1(0.5)
      >>> tx = regjax.transforms.proximal_sgd(0.5, l1)
      >>> def train_step(carry, target):
      ...     params, state = carry
      ...     gradients = jax.grad(lambda w: 0.5 * jnp.sum((w - target) ** 2))(params)
      ...     updates, state = tx.update(gradients, state, params)
      ...     logged = regjax.diagnostics.scalars(params, regularizer=l1, gradients=gradients, updates=updates)
      ...     return (optax.apply_updates(params, updates), state), logged
      >>> params = jnp.zeros(2)
      >>> targets = jnp.tile(jnp.array([2.0, 0.25]), (3, 1))
      >>> _, history = jax.lax.scan(train_step, (params, tx.init(params)), targets)
      >>> for name, values in history.items():
      ...     print(f"{name:14}", values)
      norm/gradients [2.0155644  1.2747549  0.91001374]
      norm/params    [0.    0.75  1.125]
      norm/updates   [0.75   0.375  0.1875]
      optimality     [1.5   0.75  0.375]
      penalty        [0.     0.375  0.5625]
      penalty/l1     [0.     0.375  0.5625]
      sparsity       [1.  0.5 0.5]
      sparsity/l1    [1.  0.5 0.5]
    """
    if regularizer is not None:
        checks.regularizer(regularizer, Regularizer)
    if constraint is not None:
        checks.instance("constraint", constraint, Constraint, "be a constraint such as `regjax.constraints.box(-1, 1)`")
    logged = {"norm/params": _norm(params), "sparsity": sparsity(params).total["sparsity"]}
    if gradients is not None:
        logged["norm/gradients"] = _norm(gradients)
    if updates is not None:
        logged["norm/updates"] = _norm(updates)
    if regularizer is not None:
        logged |= _of_regularizer(regularizer, params)
        if gradients is not None:
            logged["optimality"] = optimality(regularizer, params, gradients)
    if constraint is not None:
        logged |= _of_constraint(constraint, params)
    return {name: jnp.asarray(logged[name]).astype(jnp.float32) for name in sorted(logged)}


def _norm(tree: PyTree) -> Array:
    """Returns the total `l2` of :func:`regjax.diagnostics.norms`, without what that traces for each leaf."""
    leaves = list(floating_items(tree).values())
    dtype = compute_dtype(*leaves)

    def length(scale: float) -> Array:
        squares = (jnp.sum(jnp.square(leaf.astype(dtype) * scale)) for leaf in leaves)
        return root(functools.reduce(jnp.add, squares, jnp.zeros((), dtype))) / scale

    # Squares beyond the dtype get a second look, as those of a leaf do. A conditional would have all leaves stored.
    plain = length(1.0)
    return jnp.where(plain == jnp.inf, length(nearer(dtype)), plain)


def _of_regularizer(regularizer: Regularizer, params: PyTree) -> dict[str, Array]:
    logged = {"penalty": jnp.zeros((), jnp.float32)}
    for name, term in zip(_names(regularizer), regularizer.terms(), strict=True):
        logged[f"penalty/{name}"] = term.penalty(params)
        logged["penalty"] = add(logged["penalty"], logged[f"penalty/{name}"])
        logged[f"sparsity/{name}"] = sparsity(params, mask=term.mask).total["sparsity"]
        if "group_lasso" in term.name:
            groups = group_sparsity(params, term.keywords["axis"], mask=term.mask)
            logged[f"group_sparsity/{name}"] = groups.total["sparsity"]
    return logged


def _of_constraint(constraint: Constraint, params: PyTree) -> dict[str, Array]:
    violations = [term.violation(params) for term in constraint.terms()]
    names = [f"violation/{name}" for name in _names(constraint)]
    largest = functools.reduce(jnp.maximum, violations, jnp.zeros((), jnp.float32))
    return {"violation": largest} | dict(zip(names, violations, strict=True))


def _names(rule: Any) -> Iterator[str]:
    """Returns a name for each term of a rule."""
    if not isinstance(rule, Rules):
        yield rule.name
        return
    for pattern, inner in zip(rule.patterns, rule.rules, strict=True):
        text = pattern if isinstance(pattern, str) else getattr(pattern, "pattern", None) or repr(pattern)
        if inner is not None:
            yield from (f"{text}/{name}" if isinstance(inner, Rules) else text for name in _names(inner))
