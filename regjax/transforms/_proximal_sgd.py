"""Gradient descent for losses with penalties that make zeros."""

from typing import Any

import optax

from regjax._src import checks
from regjax._src.types import ArrayLike, Scalar, ScalarOrSchedule
from regjax.regularizers import Regularizer
from regjax.transforms._accelerated import accelerated_proximal
from regjax.transforms._proximal import proximal
from regjax.transforms._updates import value_at


def proximal_sgd(
    learning_rate: ScalarOrSchedule,
    regularizer: Regularizer,
    *,
    momentum: Scalar | None = None,
    nesterov: bool = False,
    accelerated: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Minimizes loss plus penalty by gradient descent, with exact zeros.

    .. math::

      \theta \leftarrow \operatorname{prox}_{\eta_t \Omega}(\theta - \eta_t g_t)

    Without options this is ISTA; for a convex loss whose gradient has the Lipschitz constant L it converges for every
    :math:`\eta \le 1 / L`. With `momentum` m it follows `optax.sgd` with momentum by the operator of the step that a
    steady gradient makes in the end, :math:`\eta_t / (1 - m)`.

    With `accelerated=True` it is FISTA with restarts, for full batches or large ones: the parameters that `update` is
    given and moves are the extrapolated points y at which FISTA takes its gradients,

    .. math::

      x_{k+1} = \operatorname{prox}_{\eta \Omega}(y_k - \eta \nabla f(y_k)), \qquad
      y_{k+1} = x_{k+1} + \beta_k (x_{k+1} - x_k), \qquad
      \beta_k = \frac{t_k - 1}{t_{k+1}}, \quad t_{k+1} = \frac{1 + \sqrt{1 + 4 t_k^2}}2

    and the momentum starts anew, :math:`t_k = 1`, whenever it points uphill,
    :math:`\langle y_k - x_{k+1}, x_{k+1} - x_k \rangle > 0` summed over all leaves (under `shard_map`, those of the
    shard). Both converge to the solution; a weight is zero in y when it was zero in the last two x. The point x itself
    is `state.solution`, or ``optax.tree.get(state, "solution")`` where the state lies in that of a chain.

    In a chain only :func:`regjax.transforms.project` may follow, and nothing where `accelerated`. Inside
    `optax.MultiSteps`, not around it.

    Args:
      learning_rate: the learning rate :math:`\eta_t`, a number or a schedule.
      regularizer: the penalty, its strength and its mask; :func:`regjax.regularizers.by_path` for several.
      momentum: the momentum m in [0, 1), as in `optax.sgd`; None for none.
      nesterov: whether the momentum is Nesterov's, as in `optax.sgd`.
      accelerated: whether to extrapolate as FISTA does; not with `momentum`.

    Returns:
      A gradient transformation. `update` needs `params`. Updates keep their dtype, or get that of the parameter where
      that is wider. Its state is a `ProximalState`, or an `AcceleratedState`.

    Raises:
      TypeError: if a number is of another kind, or `regularizer` is not a regularizer or has no proximal operator.
      ValueError: if a number is out of its range, `momentum` is given with `accelerated`, or `nesterov` without
        `momentum`; in `init` and `update`, if a mask does not fit the parameters.

    Examples:
      >>> import jax, jax.numpy as jnp, optax, regjax
      >>> tx = regjax.transforms.proximal_sgd(0.25, regjax.regularizers.l1(1.0), accelerated=True)
      >>> loss = lambda w: jnp.sum((w - jnp.array([3.0, -0.2])) ** 2)
      >>> params = jnp.array([1.0, 1.0])
      >>> state = tx.init(params)
      >>> for _ in range(30):
      ...     updates, state = tx.update(jax.grad(loss)(params), state, params)
      ...     params = optax.apply_updates(params, updates)
      >>> params.round(3)
      Array([2.5, 0. ], dtype=float32)

    References:
      Beck and Teboulle, `A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems
      <https://doi.org/10.1137/080716542>`_, 2009; for restarts, O'Donoghue and Candes, `Adaptive Restart for
      Accelerated Gradient Schemes <https://arxiv.org/abs/1204.3982>`_, 2015
    """
    checks.flag("nesterov", nesterov)
    checks.flag("accelerated", accelerated)
    checks.number_or_schedule("learning_rate", learning_rate)
    checks.one_momentum(momentum, nesterov, accelerated)
    if accelerated:
        return accelerated_proximal(learning_rate, regularizer)
    rate: Any = learning_rate  # Optax's own type of numbers is another
    if momentum is None:
        return proximal(optax.sgd(rate), regularizer, learning_rate)
    checks.rate_below_one("momentum", momentum)

    def step_size(step: ArrayLike) -> ArrayLike:
        return value_at(learning_rate, step) / (1 - momentum)

    return proximal(optax.sgd(rate, momentum, nesterov), regularizer, step_size)
