"""The gradient penalty."""

from collections.abc import Callable
from typing import Any, Literal, overload

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import compute_dtype, norm, number
from regjax._src.types import Array, ArrayLike, PyTree, Scalar
from regjax.sensitivity._rows import reverse, row_axes


@overload
def gradient_penalty(
    fn: Callable[[Array], Array],
    x: ArrayLike,
    *,
    target_norm: Scalar = 0.0,
    one_sided: bool = False,
    has_aux: Literal[False] = False,
) -> Array: ...


@overload
def gradient_penalty(
    fn: Callable[[Array], tuple[Array, PyTree]],
    x: ArrayLike,
    *,
    target_norm: Scalar = 0.0,
    one_sided: bool = False,
    has_aux: Literal[True],
) -> tuple[Array, PyTree]: ...


def gradient_penalty(
    fn: Callable[[Array], Any],
    x: ArrayLike,
    *,
    target_norm: Scalar = 0.0,
    one_sided: bool = False,
    has_aux: bool = False,
) -> Array | tuple[Array, PyTree]:
    r"""Averages the squared distance of the norm of each example's gradient from a target.

    .. math::

      \frac1B \sum_b \left( \|\nabla f(x_b)\|_2 - t \right)^2

    With :math:`t = 0` and a loss as :math:`f` this is double backpropagation, with a discriminator as :math:`f` and
    real data it is twice the penalty R1. With :math:`t = 1`, a critic and points between real and generated data it is
    the penalty of WGAN-GP. `one_sided` leaves smaller norms than :math:`t` alone.

    Examples must not depend on each other, so a critic must have no batch normalization in training mode.

    Args:
      fn: the function :math:`f`, from ``[batch, ...]`` to one value for each example, ``[batch]`` or ``[batch, 1]``;
        the loss of each example, not their mean. It must be pure, and without `while_loop`.
      x: floating array ``[batch, ...]``.
      target_norm: the target :math:`t \ge 0`; may be traced. A traced target of 0 has the right value and gradient,
        but where the gradient of an example is exactly zero, the second derivative is that of a constant.
      one_sided: whether the distance is :math:`\max(\|\nabla f(x_b)\|_2 - t, 0)`.
      has_aux: whether `fn` returns a pair of the values and anything else, which is returned too; with the loss as
        both, ``fn = lambda x: (losses, losses)``, training needs no forward pass of its own.

    Returns:
      A scalar in float32, or float64 where the inputs or values have it; with `has_aux` a pair of it and what `fn`
      returns beside its values.

    Raises:
      TypeError: if `x` or the output of `fn` is not floating, or `target_norm` is not a number.
      ValueError: if `x` is empty, `fn` does not return one value for each example or has a loop that can't be
        differentiated in reverse, or `target_norm` is negative or not finite.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> real_key, fake_key, mix_key = jax.random.split(jax.random.key(0), 3)
      >>> real, fake = jax.random.normal(real_key, (4, 2)), jax.random.normal(fake_key, (4, 2))
      >>> weight = jax.random.uniform(mix_key, (4, 1))
      >>> between = weight * real + (1 - weight) * fake
      >>> def critic(x):
      ...     return x @ jnp.array([3.0, 4.0])
      >>> float(regjax.sensitivity.gradient_penalty(critic, between, target_norm=1.0))
      16.0

    References:
      Drucker and LeCun, `Improving Generalization Performance Using Double Backpropagation
      <https://doi.org/10.1109/72.165600>`_, 1992 (target 0)

      Gulrajani et al, `Improved Training of Wasserstein GANs <https://arxiv.org/abs/1704.00028>`_, 2017 (target 1)

      Mescheder et al, `Which Training Methods for GANs do actually Converge?
      <https://arxiv.org/abs/1801.04406>`_, 2018 (R1)

      Petzka et al, `On the Regularization of Wasserstein GANs <https://arxiv.org/abs/1709.08894>`_, 2018 (one-sided)
    """
    x = checks.batch("x", x)
    checks.strength("target_norm", target_norm)
    checks.flag("one_sided", one_sided)
    checks.flag("has_aux", has_aux)
    with checks.differentiable("reverse"):
        output, pull, aux = reverse(fn, x, has_aux)
        checks.value_of_each(output)
        gradient = pull(jnp.ones_like(output)).astype(compute_dtype(x, output))
    if random.settled(target_norm, 0.0):  # without the square root, which has no second derivative at zero
        squares = jnp.sum(jnp.square(gradient), row_axes(gradient))
    else:
        distance = norm(gradient, row_axes(gradient)) - number(target_norm, gradient.dtype)
        squares = jnp.square(jnp.maximum(distance, 0) if one_sided else distance)
    penalty = jnp.mean(squares)
    return (penalty, aux) if has_aux else penalty
