"""Shrinking whole groups."""

import jax.numpy as jnp

from regjax._src import checks
from regjax._src.groups import group_weight, leaf_axes
from regjax._src.metric import map_in_metric
from regjax._src.numerics import norm, product
from regjax._src.types import Array, Axis, PyTree, Scalar
from regjax.prox._shrink_in_metric import shrink_in_metric


def shrink_groups(z: Array, d: Array | int, threshold: Array, axes: tuple[int, ...]) -> Array:
    """Returns the proximal operator of `threshold` times the norm of each group along `axes`."""
    if not isinstance(d, int) and d.ndim:
        return shrink_in_metric(z, d, threshold, axes)
    size, least = norm(z, axes), threshold / d  # one weight for all only scales the threshold
    vanishes = size <= least
    factor = 1 - least / jnp.where(vanishes, 1, size)
    return jnp.where(vanishes, jnp.zeros_like(z), z * factor)


def group_lasso(
    tree: PyTree,
    strength: Scalar,
    step_size: Scalar = 1.0,
    *,
    axis: Axis,
    size_scaling: bool = True,
    metric: PyTree | None = None,
) -> PyTree:
    r"""Shrinks the norm of every group by a threshold, and to exactly 0 the groups that are smaller.

    .. math::

      x_g = \max\left(1 - \frac{t}{\|z_g\|_2}, 0\right) z_g, \qquad t = \tau\lambda\sqrt{|g|}

    In a metric :math:`d` a group vanishes if :math:`\|d z_g\|_2 \le t`; else :math:`x_i = d_i z_i / (d_i + t / \nu)`
    where :math:`\nu = \|x_g\|_2` solves :math:`\sum_{i \in g} (d_i z_i / (d_i \nu + t))^2 = 1`, found to rounding in
    a few passes over the group.

    Args:
      tree: floating arrays :math:`z` of any shape that has the axes.
      strength: the multiplier :math:`\lambda \ge 0` of the penalty.
      step_size: the step :math:`\tau \ge 0`.
      axis: the axes that are summed over to make one norm; None makes each leaf one group.
      size_scaling: whether the norm of a group is multiplied by the square root of its size.
      metric: the positive weights :math:`d`, a tree like `tree` (or of scalars); None means all ones.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a number is of another kind, `axis` is not made of integers, or a leaf is complex.
      ValueError: if a number is negative or not finite, `axis` is out of range, or `metric` does not fit.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[3.0, 4.0], [0.6, 0.8]])
      >>> regjax.prox.group_lasso(kernel, 2.5, axis=1, size_scaling=False)
      Array([[1.5, 2. ],
             [0. , 0. ]], dtype=float32)

    References:
      Yuan and Lin, `Model Selection and Estimation in Regression with Grouped Variables
      <https://doi.org/10.1111/j.1467-9868.2005.00532.x>`_, 2006; in a metric, Deleu and Bengio, `Structured Sparsity
      Inducing Adaptive Optimizers for Deep Learning <https://arxiv.org/abs/2102.03869>`_, 2021
    """
    checks.strength("strength", strength)
    checks.strength("step_size", step_size)

    def on_leaf(path: str, z: Array, d: Array | int) -> Array:
        axes = leaf_axes(axis, path, z)
        threshold = product(z.dtype, step_size, strength, group_weight(z, axes, size_scaling))
        return shrink_groups(z, d, threshold, axes)

    return map_in_metric(on_leaf, tree, metric)
