"""A projection after the step of an optimizer."""

from typing import Any

import optax

from regjax._src import checks
from regjax._src.types import PyTree
from regjax.constraints import Constraint
from regjax.transforms._describe import tell
from regjax.transforms._move_by_projection import move_by_projection


def project(constraint: Constraint) -> optax.GradientTransformationExtraArgs:
    r"""Follows the step of the optimizer with a projection onto a constraint set.

    .. math::

      \theta \leftarrow \Pi_C(\theta + u)

    After every step the parameters satisfy the constraint to rounding. Where the projection changes nothing the
    optimizer's update is passed on bit for bit.

    It goes last of all in a chain: whatever follows may leave the set again. Inside `optax.MultiSteps`, not around it.

    Args:
      constraint: the projection, its bound and its mask.

    Returns:
      A gradient transformation without state. `update` needs `params`. Updates keep their dtype, or get that of the
      parameter where that is wider.

    Raises:
      TypeError: if `constraint` is not a constraint.
      ValueError: in `init` and `update`, if a mask does not fit the parameters.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.chain(optax.sgd(1.0), regjax.transforms.project(regjax.constraints.max_norm(1.0)))
      >>> params = jnp.array([[0.6, 0.3], [0.8, 0.4]])
      >>> updates, state = tx.update(-params, tx.init(params), params)
      >>> optax.apply_updates(params, updates)
      Array([[0.6, 0.6],
             [0.8, 0.8]], dtype=float32)

    References:
      Srivastava et al, `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
      <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014, section 5.1
    """
    checks.instance("constraint", constraint, Constraint, "be a constraint such as `regjax.constraints.max_norm(3.0)`")

    def init_fn(params: PyTree) -> optax.EmptyState:
        tell("project", constraint.terms(), params)
        return optax.EmptyState()

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        del extra_args
        return move_by_projection(constraint, updates, params), state

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
