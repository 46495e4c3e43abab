"""The ridge penalty around a starting point as a value."""

from typing import Any

from regjax._src import checks
from regjax._src.types import PyTree, Scalar
from regjax.regularizers._regularizer import Regularizer, make


def l2_sp(strength: Scalar, *, anchor: PyTree, mask: Any = None) -> Regularizer:
    r"""Makes the ridge penalty around a starting point a regularizer.

    .. math::

      \frac{\lambda}{2} \sum_i (w_i - a_i)^2

    The functions are :func:`regjax.penalties.l2_sp` and :func:`regjax.prox.l2_sp`.

    Args:
      strength: the multiplier :math:`\lambda \ge 0`; an array of them, or traced, to be mapped over.
      anchor: the starting point :math:`a`, a tree like the parameters. It is a child of the pytree beside the strength:
        under `vmap` give it `None` in `in_axes`.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes.

    Returns:
      An immutable value with `penalty(params)` and `prox(params, step_size)`.

    Raises:
      TypeError: if a strength is not a number, or `mask` is of a wrong kind.
      ValueError: if a strength is a number that is negative or not finite.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.regularizers.l2_sp(1e-2, anchor={"kernel": jnp.ones(3)})
      l2_sp(strength=0.01, anchor=<tree of 1 arrays>)
    """
    checks.given("anchor", anchor)
    return make("l2_sp", {"strength": strength}, mask, anchor=anchor)
