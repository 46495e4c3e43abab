"""A penalty as part of the gradient."""

from typing import Any

import optax

from regjax._src import checks
from regjax._src.gradients import wide_gradient
from regjax._src.types import PyTree
from regjax.regularizers import Regularizer
from regjax.transforms._describe import tell
from regjax.transforms._updates import map_updates


def add_penalty_gradients(regularizer: Regularizer) -> optax.GradientTransformationExtraArgs:
    r"""Adds the gradient of a penalty to the gradient of the loss.

    .. math::

      g \leftarrow g + \nabla \Omega(\theta)

    This is the same as adding `regularizer.penalty(params)` to the loss. It is coupled to the optimizer: an adaptive
    one rescales the penalty's gradient like the loss's, so `l2` with Adam is not weight decay
    (:func:`regjax.transforms.decoupled_weight_decay`), and `l1` gives small weights but no zeros
    (:func:`regjax.transforms.proximal_step`).

    It goes first in a chain, before anything that scales or accumulates gradients.

    Args:
      regularizer: the penalty, its strength and its mask. Where no mask selects a leaf, its gradient stays as it is.

    Returns:
      A gradient transformation without state. `update` needs `params`.

    Raises:
      TypeError: if `regularizer` is not a regularizer.
      ValueError: if the penalty has no gradient (`l0`); in `init` and `update`, if a mask does not fit the parameters.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.chain(regjax.transforms.add_penalty_gradients(regjax.regularizers.l2(0.1)), optax.sgd(1.0))
      >>> params = jnp.array([1.0, -2.0])
      >>> updates, state = tx.update(jnp.zeros(2), tx.init(params), params)
      >>> updates
      Array([-0.1,  0.2], dtype=float32)

    References:
      Loshchilov and Hutter, `Decoupled Weight Decay Regularization <https://arxiv.org/abs/1711.05101>`_, 2019, on how
      this differs from weight decay
    """
    checks.regularizer(regularizer, Regularizer)
    for term in regularizer.terms():
        checks.has_gradient(term.name)

    def init_fn(params: PyTree) -> optax.EmptyState:
        tell("add_penalty_gradients", regularizer.terms(), params)
        return optax.EmptyState()

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        del extra_args
        checks.params_given(params)
        gradient = wide_gradient(regularizer.penalty_among, params)
        return map_updates(lambda u, _, g: u + g.astype(u.dtype), updates, params, gradient), state

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
