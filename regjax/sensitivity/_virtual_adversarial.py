"""Virtual adversarial training."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import compute_dtype, number, widen
from regjax._src.shards import varying_like
from regjax._src.types import Array, ArrayLike, Key, Scalar
from regjax.sensitivity._power_iteration import iterate
from regjax.sensitivity._rows import reverse, row_function, transpose


def virtual_adversarial(
    fn: Callable[[Array], Array], key: Key, x: ArrayLike, *, epsilon: Scalar, num_steps: int = 1
) -> Array:
    r"""Averages how far the prediction moves in the direction that moves it most (virtual adversarial training).

    .. math::

      \frac1B \sum_b \operatorname{KL}\left( p(x_b) \,\|\, p(x_b + \epsilon d_b) \right), \qquad
      p = \operatorname{softmax} f, \qquad
      d_b \approx \operatorname*{argmax}_{\|d\|_2 = 1} d^\top H_b d

    with :math:`H_b` the Hessian of the divergence in the perturbation, at zero. It is
    :math:`J_b^\top \left( \operatorname{diag} p_b - p_b p_b^\top \right) J_b` with the Jacobian :math:`J_b` of the
    logits, and power iteration from a random direction multiplies by exactly that. The paper takes a finite
    difference for it, which costs as much, and needs a step that is neither too large nor lost to rounding. Where
    the product is zero, the direction stays as it is.

    The prediction :math:`p(x_b)` and the direction are constants to the derivatives, as in the paper. No labels are
    needed, so `x` may hold examples that have none.

    Args:
      fn: logits of a batch, from ``[batch, ...]`` to ``[batch, ..., classes]``, row by row, with the classes in the
        last axis; the divergence is averaged over the axes between. It must be pure, without `while_loop`, and have
        the same noise, if any, in every call. A logit may be -inf where it does not depend on `x`.
      key: a PRNG key.
      x: floating array ``[batch, ...]``.
      epsilon: the Euclidean norm :math:`\epsilon` of the perturbation of one example; may be traced.
      num_steps: how many power iterations, of two passes each; with 0 the perturbation is a random one.

    Returns:
      A scalar in float32, or float64 where the inputs or logits have it.

    Raises:
      TypeError: if `x` or the logits are not floating, `key` is no PRNG key, or a number is of a wrong kind.
      ValueError: if `x` is empty, the logits have another batch size or no axis of classes, `fn` has a loop that
        can't be differentiated in reverse, or a number is negative or not finite.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[1.0, -1.0], [0.0, 0.0]])
      >>> x = jnp.zeros((4, 2))
      >>> penalty = regjax.sensitivity.virtual_adversarial(lambda x: x @ kernel, jax.random.key(0), x, epsilon=0.5)
      >>> bool(jnp.allclose(penalty, jnp.log(jnp.cosh(0.5))))
      True

    References:
      Miyato et al, `Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning
      <https://arxiv.org/abs/1704.03976>`_, 2018
    """
    x = checks.batch("x", x)
    checks.strength("epsilon", epsilon)
    num_steps = checks.at_least("num_steps", num_steps, 0)
    with checks.differentiable("reverse"):
        logits, pull, _ = reverse(fn, x, False)
        checks.classes_axis(logits)
        push = transpose(pull, logits, x)
        log_p = jax.lax.stop_gradient(jax.nn.log_softmax(widen(logits)))
        p = jnp.exp(log_p)

        def hessian(d: Array) -> Array:
            change = p * widen(push(d.astype(x.dtype)))
            return pull(change - p * jnp.sum(change, -1, keepdims=True))

        start = varying_like(random.normal(key, widen(x)), x)
        d = iterate(hessian, start, num_steps)
    moved, _ = row_function(fn, x.shape[0], False)((widen(x) + number(epsilon, d.dtype) * d).astype(x.dtype))
    log_q = jax.nn.log_softmax(widen(moved))
    ratio = jnp.where(p > 0, log_p, 0) - jnp.where(p > 0, log_q, 0)
    return jnp.mean(jnp.sum(p * ratio, -1)).astype(compute_dtype(x, logits))
