"""The metric of RMSprop."""

from collections.abc import Callable
from typing import Any

from regjax._src import checks
from regjax._src.types import Array, Scalar
from regjax.transforms._metric import Metric, metric_of, root, without_bias


def rmsprop_metric(*, decay: Scalar = 0.9, eps: Scalar = 1e-8, eps_in_sqrt: bool = True) -> Metric:
    r"""Reads the metric of `optax.rmsprop` from its state.

    .. math::

      d = \sqrt{\nu + \epsilon}, \qquad d = \sqrt{\nu} + \epsilon \quad \text{without `eps_in_sqrt`}

    Give it the numbers that the optimizer has. With momentum m the step is :math:`1 / (1 - m)` times as long, and so
    should the `learning_rate` of :func:`regjax.transforms.proximal` be; with momentum the rate has to be constant,
    because Optax's momentum comes after it. Not for `centered=True`: the variance that it
    divides by vanishes when gradients are steady.

    Args:
      decay: the decay of the second moment; it matters only with `bias_correction=True` in the optimizer.
      eps: what is added.
      eps_in_sqrt: whether it is added under the root.

    Returns:
      A metric for :func:`regjax.transforms.proximal`. Its `diagonal` raises a `ValueError` for a state in
      which there is none of that kind, or several.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if `decay` is not in [0, 1), or `eps` is negative.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.rmsprop(0.1, decay=0.75)
      >>> params = jnp.zeros(2)
      >>> _, state = tx.update(jnp.array([0.5, -2.0]), tx.init(params), params)
      >>> regjax.transforms.rmsprop_metric(decay=0.75).diagonal(state).round(4)
      Array([0.25, 1.  ], dtype=float32)

    References:
      Tieleman and Hinton, `Lecture 6.5: RMSprop
      <https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf>`_, 2012
    """
    checks.rate_below_one("decay", decay)
    checks.strength("eps", eps)
    checks.flag("eps_in_sqrt", eps_in_sqrt)
    outside, inside = (0.0, eps) if eps_in_sqrt else (eps, 0.0)

    def formula(state: Any) -> Callable[[Array], Array]:
        counted = "count" in state._fields
        unbiased = without_bias(decay, state.count) if counted else lambda nu: nu
        return lambda nu: root(unbiased(nu), outside, inside)

    return metric_of("rmsprop_metric", "nu", formula)
