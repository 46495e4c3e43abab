"""The metric of Adagrad."""

from regjax._src import checks
from regjax._src.types import Scalar
from regjax.transforms._metric import Metric, metric_of, root


def adagrad_metric(*, eps: Scalar = 1e-7) -> Metric:
    r"""Reads the metric of `optax.adagrad` from its state.

    .. math::

      d = \sqrt{s + \epsilon}, \qquad s = s_0 + \sum_t g_t^2

    Give it the number that the optimizer has.

    Args:
      eps: what is added under the root.

    Returns:
      A metric for :func:`regjax.transforms.proximal`. Its `diagonal` raises a `ValueError` for a state in
      which there is none of that kind, or several.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if `eps` is not positive.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.adagrad(0.1, initial_accumulator_value=0.0)
      >>> params = jnp.zeros(2)
      >>> _, state = tx.update(jnp.array([0.5, -2.0]), tx.init(params), params)
      >>> regjax.transforms.adagrad_metric().diagonal(state).round(4)
      Array([0.5, 2. ], dtype=float32)

    References:
      Duchi et al, `Adaptive Subgradient Methods for Online Learning and Stochastic Optimization
      <https://jmlr.org/papers/v12/duchi11a.html>`_, 2011, whose composite mirror descent is this step
    """
    checks.above("eps", eps, 0)
    return metric_of("adagrad_metric", "sum_of_squares", lambda _: lambda total: root(total, 0.0, eps))
