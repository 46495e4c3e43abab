"""Adam for losses with penalties that make zeros."""

from typing import Any

import optax

from regjax._src import checks
from regjax._src.types import Scalar, ScalarOrSchedule
from regjax.regularizers import Regularizer
from regjax.transforms._adam_metric import adam_metric, amsgrad_metric
from regjax.transforms._decoupled_weight_decay import decoupled_weight_decay
from regjax.transforms._proximal import proximal
from regjax.transforms._scale_by_adam import scale_by_adam


def proximal_adam(
    learning_rate: ScalarOrSchedule,
    regularizer: Regularizer,
    *,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule | None = None,
    mask: Any = None,
    nesterov: bool = False,
    amsgrad: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Minimizes loss plus penalty by Adam, with exact zeros.

    .. math::

      z = \theta - \eta_t \left( \frac{\hat\mu_t}{d_t} + \lambda_t \theta \right), \qquad
      d_t = \sqrt{\hat\nu_t + \epsilon_\text{root}} + \epsilon, \qquad
      \theta \leftarrow \operatorname{prox}^{d_t}_{\eta_t \Omega}(z)

    It is :func:`regjax.transforms.proximal` around `optax.adam` with :func:`regjax.transforms.adam_metric`, and without
    a penalty it is `optax.adam` or, with `weight_decay`, `optax.adamw`, to rounding. The operator measures distance in
    the metric of Adam, so with a learning rate that falls to 0 it arrives at the solution of the stated problem: at
    that of scikit-learn for `l1` and `elastic_net`, with the same zeros. The group penalties take a few passes over the
    weights, all others cost next to nothing.

    With the gradients of full batches it arrives; with those of small ones it comes as near as their noise allows. For
    convex problems with full batches :func:`regjax.transforms.proximal_sgd` with `accelerated=True` is faster.

    A weight whose gradients have been exactly zero, such as the row of an embedding that no batch has used, has the
    metric `eps`, and goes to zero at once: the loss says nothing for it and the penalty something against it. Weights
    that became zero come back when their gradients exceed the penalty's. Clipping gradients before it changes the
    problem as soon as it acts, because gradients do not vanish at a solution with a penalty.

    In a chain only :func:`regjax.transforms.project` may follow. Under `optax.MultiSteps`, `masked`, `partition` and
    `inject_hyperparams` it works as `optax.adam` does.

    Args:
      learning_rate: the learning rate :math:`\eta_t`, a number or a schedule.
      regularizer: the penalty, its strength and its mask; :func:`regjax.regularizers.by_path` for several.
      b1: the decay of the first moment.
      b2: the decay of the second moment.
      eps: what is added to the root.
      eps_root: what is added under the root.
      mu_dtype: the dtype of the first moment; None for that of the parameters.
      weight_decay: the strength :math:`\lambda_t` of decoupled weight decay, a number or a schedule; None for none. It
        is not part of the problem that is solved: for that take :func:`regjax.regularizers.elastic_net`.
      mask: which leaves decay; anything that :func:`regjax.masks.as_mask` takes. The penalty has a mask of its own, in
        `regularizer`.
      nesterov: whether the first moment looks ahead, as in `optax.nadam`.
      amsgrad: whether the second moment never falls, as in `optax.amsgrad`.

    Returns:
      A gradient transformation. `update` needs `params`. Updates keep their dtype, or get that of the parameter where
      that is wider. Its state is a `ProximalState`.

    Raises:
      TypeError: if a number is of another kind, or `regularizer` is not a regularizer or has no proximal operator in a
        metric.
      ValueError: if a number is out of its range, both `nesterov` and `amsgrad` are given, or `mask` without
        `weight_decay`; in `init` and `update`, if a mask does not fit the parameters.

    Examples:
      >>> import jax, jax.numpy as jnp, optax, regjax
      >>> tx = regjax.transforms.proximal_adam(0.1, regjax.regularizers.l1(1.0))
      >>> loss = lambda w: jnp.sum((w - jnp.array([3.0, -0.2])) ** 2)
      >>> params = jnp.array([1.0, 1.0])
      >>> state = tx.init(params)
      >>> for _ in range(200):
      ...     updates, state = tx.update(jax.grad(loss)(params), state, params)
      ...     params = optax.apply_updates(params, updates)
      >>> params.round(2)
      Array([2.5, 0. ], dtype=float32)

    References:
      Yun et al, `Adaptive Proximal Gradient Methods for Structured Neural Networks
      <https://arxiv.org/abs/2007.07484>`_, 2021; Deleu and Bengio, `Structured Sparsity Inducing Adaptive Optimizers
      for Deep Learning <https://arxiv.org/abs/2102.03869>`_, 2021
    """
    checks.regularizer(regularizer, Regularizer)
    checks.number_or_schedule("learning_rate", learning_rate)
    checks.rate_below_one("b1", b1)
    checks.rate_below_one("b2", b2)
    checks.float_dtype("mu_dtype", mu_dtype)
    checks.flag("nesterov", nesterov)
    checks.flag("amsgrad", amsgrad)
    checks.one_variant(nesterov, amsgrad)
    checks.mask_of_decay(mask, weight_decay)
    if amsgrad:
        moments = optax.scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype)
        metric = amsgrad_metric(eps=eps, eps_root=eps_root)
    else:
        moments = optax.scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)
        metric = adam_metric(b2=b2, eps=eps, eps_root=eps_root)
    needs_d_itself = any("axis" in term.keywords for term in regularizer.terms())  # operators of groups
    moments = scale_by_adam(moments, metric, b1, nesterov, divides=needs_d_itself)
    rate: Any = learning_rate  # Optax's own type of numbers is another
    adam = optax.chain(moments, optax.scale_by_learning_rate(rate))
    if weight_decay is not None:
        adam = optax.chain(adam, decoupled_weight_decay(weight_decay, learning_rate, mask=mask))
    return proximal(adam, regularizer, learning_rate, metric=metric)
