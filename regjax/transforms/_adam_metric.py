"""The metric of Adam and its kin."""

from collections.abc import Callable
from typing import Any

from regjax._src import checks
from regjax._src.types import Array, Scalar
from regjax.transforms._metric import Metric, metric_of, root, without_bias


def adam_metric(*, b2: Scalar = 0.999, eps: Scalar = 1e-8, eps_root: Scalar = 0.0) -> Metric:
    r"""Reads the metric of `optax.adam`, `adamw`, `nadam`, `nadamw` or `yogi` from its state.

    .. math::

      d = \sqrt{\hat\nu + \epsilon_\text{root}} + \epsilon, \qquad \hat\nu = \frac{\nu_t}{1 - \beta_2^t}

    Give it the numbers that the optimizer has (`eps=1e-3` for Yogi). Not for `optax.adamax`, `lamb` and `radam`, which
    have a state of the same kind and step otherwise. In float16 the second moments of gradients below 1e-3 vanish, and
    with them the metric: keep float32 parameters and cast them for the model.

    Args:
      b2: the decay :math:`\beta_2` of the second moment.
      eps: what is added to the root.
      eps_root: what is added under the root.

    Returns:
      A metric for :func:`regjax.transforms.proximal`. Its `diagonal` raises a `ValueError` for a state in
      which there is none of that kind, or several.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if `b2` is not in [0, 1), or another number is negative.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.adam(0.1)
      >>> params = jnp.zeros(2)
      >>> _, state = tx.update(jnp.array([0.5, -2.0]), tx.init(params), params)
      >>> regjax.transforms.adam_metric().diagonal(state).round(4)
      Array([0.5, 2. ], dtype=float32)

    References:
      Kingma and Ba, `Adam: A Method for Stochastic Optimization <https://arxiv.org/abs/1412.6980>`_, 2015
    """
    checks.rate_below_one("b2", b2)
    checks.strength("eps", eps)
    checks.strength("eps_root", eps_root)

    def formula(state: Any) -> Callable[[Array], Array]:
        unbiased = without_bias(b2, state.count)
        return lambda nu: root(unbiased(nu), eps, eps_root)

    return metric_of("adam_metric", "nu", formula)


def amsgrad_metric(*, eps: Scalar = 1e-8, eps_root: Scalar = 0.0) -> Metric:
    r"""Reads the metric of `optax.amsgrad` from its state.

    .. math::

      d = \sqrt{\max_{s \le t} \hat\nu_s + \epsilon_\text{root}} + \epsilon

    Args:
      eps: what is added to the root.
      eps_root: what is added under the root.

    Returns:
      A metric for :func:`regjax.transforms.proximal`. Its `diagonal` raises a `ValueError` for a state in
      which there is none of that kind, or several.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if a number is negative.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> tx = optax.amsgrad(0.1)
      >>> params = jnp.zeros(2)
      >>> _, state = tx.update(jnp.array([0.5, -2.0]), tx.init(params), params)
      >>> regjax.transforms.amsgrad_metric().diagonal(state).round(4)
      Array([0.5, 2. ], dtype=float32)

    References:
      Reddi et al, `On the Convergence of Adam and Beyond <https://arxiv.org/abs/1904.09237>`_, 2018
    """
    checks.strength("eps", eps)
    checks.strength("eps_root", eps_root)
    return metric_of("amsgrad_metric", "nu_max", lambda _: lambda nu_max: root(nu_max, eps, eps_root))
