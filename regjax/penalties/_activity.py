"""The activity penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def activity(tree: PyTree, l1: Scalar, l2: Scalar) -> Array:
    r"""Adds the lasso and the ridge penalty of the outputs of layers, as a mean over the batch.

    .. math::

      \frac{1}{B} \sum_{b=1}^{B} \sum_i \left( \lambda_1 |x_{bi}| + \frac{\lambda_2}{2} x_{bi}^2 \right)

    It keeps activations sparse or small, where penalties of weights do so for parameters. It is
    :func:`regjax.penalties.elastic_net` divided by the size of the batch, so that the strengths mean the same for any
    batch. Keras' `ActivityRegularization(l1, l2)` is this at `l1` and `2 * l2`.

    Args:
      tree: outputs of layers, floating arrays `[batch, ...]`; a scalar counts as a batch of one.
      l1: the multiplier :math:`\lambda_1 \ge 0` of the absolute values.
      l2: the multiplier :math:`\lambda_2 \ge 0` of half the squares.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a strength is not a number, or a leaf is complex.
      ValueError: if a strength is a number that is negative or not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.activity({"hidden": jnp.array([[3.0, -4.0], [0.0, 1.0]])}, 0.5, 0.1))
      2.65

    References:
      Merity et al, `Revisiting Activation Regularization for Language RNNs <https://arxiv.org/abs/1708.01009>`_, 2017
    """
    checks.strength("l1", l1)
    checks.strength("l2", l2)

    def on_leaf(_: str, x: Array) -> Array:
        first, second = number(l1, x.dtype), number(l2, x.dtype)
        batch = max(x.shape[0], 1) if x.ndim else 1
        return (first * jnp.sum(absolute(x)) + second / 2 * jnp.sum(jnp.square(x))) / batch

    return sum_floating(on_leaf, tree)
