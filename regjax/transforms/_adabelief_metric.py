"""The metric of AdaBelief."""

from collections.abc import Callable
from typing import Any

from regjax._src import checks
from regjax._src.types import Array, Scalar
from regjax.transforms._metric import Metric, metric_of, root, without_bias


def adabelief_metric(*, b2: Scalar = 0.999, eps: Scalar = 1e-16) -> Metric:
    r"""Reads the metric of `optax.adabelief` from its state.

    .. math::

      d = \sqrt{\hat s} + \epsilon, \qquad \hat s = \frac{s_t}{1 - \beta_2^t}

    Give it the numbers that the optimizer has; its `eps_root` is in the state already. With steady gradients (full
    batches) :math:`s` falls, and the steps grow: give the optimizer a larger `eps_root` where that goes on for long.

    Args:
      b2: the decay :math:`\beta_2` of the second moment.
      eps: what is added to the root.

    Returns:
      A metric for :func:`regjax.transforms.proximal`. Its `diagonal` raises a `ValueError` for a state in
      which there is none of that kind, or several.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if `b2` is not in [0, 1), or `eps` is negative.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.adabelief(0.1, b1=0.5)
      >>> params = jnp.zeros(2)
      >>> _, state = tx.update(jnp.array([0.5, -2.0]), tx.init(params), params)
      >>> regjax.transforms.adabelief_metric().diagonal(state).round(4)
      Array([0.25, 1.  ], dtype=float32)

    References:
      Zhuang et al, `AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients
      <https://arxiv.org/abs/2010.07468>`_, 2020
    """
    checks.rate_below_one("b2", b2)
    checks.strength("eps", eps)

    def formula(state: Any) -> Callable[[Array], Array]:
        unbiased = without_bias(b2, state.count)
        return lambda nu: root(unbiased(nu), eps, 0.0)

    return metric_of("adabelief_metric", "nu", formula)
