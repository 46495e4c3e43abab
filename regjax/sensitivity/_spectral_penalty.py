"""The squared spectral norm of the Jacobian."""

from collections.abc import Callable
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import compute_dtype
from regjax._src.shards import varying_like
from regjax._src.types import Array, ArrayLike, Key, PyTree
from regjax.sensitivity._power_iteration import iterate, unit
from regjax.sensitivity._rows import Reverse, reverse, transpose


@overload
def spectral_penalty(
    fn: Callable[[Array], Array], key: Key, x: ArrayLike, *, num_steps: int = 5, has_aux: Literal[False] = False
) -> Array: ...


@overload
def spectral_penalty(
    fn: Callable[[Array], tuple[Array, PyTree]],
    key: Key,
    x: ArrayLike,
    *,
    num_steps: int = 5,
    has_aux: Literal[True],
) -> tuple[Array, PyTree]: ...


def spectral_penalty(
    fn: Callable[[Array], Any], key: Key, x: ArrayLike, *, num_steps: int = 5, has_aux: bool = False
) -> Array | tuple[Array, PyTree]:
    r"""Averages the squared largest singular value of the Jacobian of each example.

    .. math::

      \frac1B \sum_b \sigma_1(J_b)^2 = \frac1B \sum_b \max_{\|u\|_2 = 1} \|J_b^\top u\|_2^2, \qquad
      J_b = \frac{\partial f(x_b)}{\partial x_b}

    The singular value is found by power iteration from a random direction :math:`u` in the space of the outputs,

    .. math::

      v \leftarrow \frac{J_b^\top u}{\|J_b^\top u\|_2}, \qquad u \leftarrow \frac{J_b v}{\|J_b v\|_2}, \qquad
      \sigma_1 \approx \|J_b v\|_2

    which comes from below, and faster the further :math:`\sigma_2` is from :math:`\sigma_1`. To the derivatives
    :math:`v` is a constant, so once it has converged, they are those of :math:`\sigma_1^2` where
    :math:`\sigma_2 < \sigma_1`. :func:`warm_spectral_penalty` starts where the last training step ended.

    Examples must not depend on each other, see :func:`jacobian_penalty`. All passes are backward ones and their
    transposes, so that functions of `jax.custom_vjp` are fine.

    Args:
      fn: the function :math:`f`, from ``[batch, ...]`` to ``[batch, ...]``, row by row. It must be pure, and without
        `while_loop`.
      key: a PRNG key.
      x: floating array ``[batch, ...]``.
      num_steps: how many times both lines are computed; each takes two passes.
      has_aux: whether `fn` returns a pair of the output and anything else, which is returned too, as in
        :func:`jacobian_penalty`.

    Returns:
      A scalar in float32, or float64 where the inputs or outputs have it; with `has_aux` a pair of it and what `fn`
      returns beside its output.

    Raises:
      TypeError: if `x` or the output of `fn` is not floating, `key` is no PRNG key, or `num_steps` no Python integer.
      ValueError: if `x` is empty, the output has another batch size, `num_steps` is smaller than 1, or `fn` has a
        loop that can't be differentiated in reverse.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.diag(jnp.array([3.0, 1.0]))
      >>> float(regjax.sensitivity.spectral_penalty(lambda x: x @ kernel, jax.random.key(0), jnp.ones((4, 2))))
      9.0

    References:
      Yoshida and Miyato, `Spectral Norm Regularization for Improving the Generalizability of Deep Learning
      <https://arxiv.org/abs/1705.10941>`_, 2017 (of weights)

      Pesquet et al, `Learning Maximally Monotone Operators for Image Recovery
      <https://arxiv.org/abs/2012.13247>`_, 2021 (of Jacobians)
    """
    x, num_steps = _checked(x, num_steps, has_aux)
    with checks.differentiable("reverse"):
        at = reverse(fn, x, has_aux)
        start = random.normal(key, at.output.astype(compute_dtype(at.output)))
        penalty, _ = _from(at, x, start, num_steps)
    return (penalty, at.aux) if has_aux else penalty


@overload
def warm_spectral_penalty(
    fn: Callable[[Array], Array],
    direction: ArrayLike,
    x: ArrayLike,
    *,
    num_steps: int = 1,
    has_aux: Literal[False] = False,
) -> tuple[Array, Array]: ...


@overload
def warm_spectral_penalty(
    fn: Callable[[Array], tuple[Array, PyTree]],
    direction: ArrayLike,
    x: ArrayLike,
    *,
    num_steps: int = 1,
    has_aux: Literal[True],
) -> tuple[Array, Array, PyTree]: ...


def warm_spectral_penalty(
    fn: Callable[[Array], Any], direction: ArrayLike, x: ArrayLike, *, num_steps: int = 1, has_aux: bool = False
) -> tuple[Array, Array] | tuple[Array, Array, PyTree]:
    r"""Computes the spectral penalty from a given direction, and returns where it ends.

    .. math::

      (u_t, x) \mapsto \left( \frac1B \sum_b \|J_b v_b\|_2^2, \; u_{t + 1} \right)

    Weights change little from one training step to the next, and so do the singular vectors of an example, so a single
    step from the last :math:`u` is as good as many from a random one. Only where :math:`\sigma_1` falls to
    :math:`\sigma_2`, as it may in training, some calls pass until :math:`u` has turned; until then the penalty is that
    of another singular vector, and too small.

    The direction belongs to the examples of the batch, so carry it where the same examples come back: for a fixed batch
    as it is, for minibatches in a table with a row for each example of the data, as large as its logits.
    ``table[indices]`` goes in, and ``table.at[indices].set(direction)`` comes out. The formulas are those of
    :func:`spectral_penalty`.

    Args:
      fn: see :func:`spectral_penalty`.
      direction: the direction :math:`u` of each example, of the shape of ``fn(x)`` and of any length but zero; normal
        noise to begin with.
      x: floating array ``[batch, ...]``.
      num_steps: how many times both lines are computed; each takes two passes.
      has_aux: whether `fn` returns a pair of the output and anything else, which is returned too.

    Returns:
      The penalty, a scalar in float32, or float64 where the inputs or outputs have it; the direction to go on from,
      of norm one for each example, in the dtype of `direction` and without derivatives; and with `has_aux` what `fn`
      returns beside its output.

    Raises:
      TypeError: if `x`, `direction` or the output of `fn` is not floating, or `num_steps` is no Python integer.
      ValueError: if `x` is empty, the output has another batch size, `direction` does not have its shape, `num_steps`
        is smaller than 1, or `fn` has a loop that can't be differentiated in reverse.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel, x = jnp.diag(jnp.array([3.0, 2.0])), jnp.ones((4, 2))
      >>> direction = jax.random.normal(jax.random.key(0), (4, 2))
      >>> for step in range(10):
      ...     penalty, direction = regjax.sensitivity.warm_spectral_penalty(lambda x: x @ kernel, direction, x)
      >>> round(float(penalty), 3)
      9.0

    References:
      Yoshida and Miyato, `Spectral Norm Regularization for Improving the Generalizability of Deep Learning
      <https://arxiv.org/abs/1705.10941>`_, 2017 (of weights, with a warm start)
    """
    x, num_steps = _checked(x, num_steps, has_aux)
    with checks.differentiable("reverse"):
        at = reverse(fn, x, has_aux)
        start = checks.direction(direction, at.output.shape)
        penalty, end = _from(at, x, start, num_steps)
    end = end.astype(start.dtype)
    return (penalty, end, at.aux) if has_aux else (penalty, end)


def _checked(x: ArrayLike, num_steps: int, has_aux: bool) -> tuple[Array, int]:
    checks.flag("has_aux", has_aux)
    return checks.batch("x", x), checks.at_least("num_steps", num_steps, 1)


def _from(at: Reverse, x: Array, start: Array, num_steps: int) -> tuple[Array, Array]:
    """Returns the penalty and where the power iteration ends."""
    dtype = compute_dtype(x, at.output)
    push = transpose(at.pull, at.output, x)

    def right(u: Array) -> Array:
        v = at.pull(u)
        return jax.lax.stop_gradient(unit(v, v).astype(x.dtype))

    start = varying_like(start.astype(dtype), at.output)
    u = iterate(lambda u: push(right(u)), start, num_steps - 1)
    stretched = push(right(u)).astype(dtype)
    penalty = jnp.sum(jnp.square(stretched)) / x.shape[0]
    return penalty, jax.lax.stop_gradient(unit(stretched, u))
