"""The log-sum penalty."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import absolute, number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def log_sum(tree: PyTree, strength: Scalar = 1.0, *, epsilon: Scalar) -> Array:
    r"""Sums the logarithms of the absolute values (log-sum, reweighted lasso).

    .. math::

      \lambda \sum_i \log\left(1 + \frac{|w_i|}{\epsilon}\right)

    Between the lasso (large :math:`\epsilon`, with the strength :math:`\lambda / \epsilon`) and a count of nonzeros
    (small :math:`\epsilon`): the slope falls from :math:`\lambda / \epsilon` at 0 as :math:`\lambda / (\epsilon +
    |w|)`.

    Args:
      tree: floating arrays of any shape.
      strength: the multiplier :math:`\lambda \ge 0`.
      epsilon: the size of weights from which the price grows slowly, :math:`\epsilon > 0`.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if a number is of another kind, or a leaf is complex.
      ValueError: if a number is out of its range, not finite, or no scalar.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> float(regjax.penalties.log_sum({"kernel": jnp.array([0.3, 0.0, -0.7])}, epsilon=0.1))
      3.46574

    References:
      Candes et al, `Enhancing Sparsity by Reweighted l1 Minimization <https://arxiv.org/abs/0711.1612>`_, 2008
    """
    checks.strength("strength", strength)
    checks.above("epsilon", epsilon, 0)

    def on_leaf(_: str, w: Array) -> Array:
        return number(strength, w.dtype) * jnp.sum(jnp.log1p(absolute(w) / number(epsilon, w.dtype)))

    return sum_floating(on_leaf, tree)
