"""Stochastic depth: whole residual branches are lost."""

from regjax._src import checks
from regjax._src.types import Array, ArrayLike, AxisName, Key, Scalar
from regjax.stochastic._dropout import dropout

MODES = ("row", "batch")


def stochastic_depth(
    key: Key, residual: ArrayLike, rate: Scalar, *, mode: str = "row", axis_name: AxisName = None
) -> Array:
    r"""Drops a residual branch, for every example by itself or for the whole batch.

    .. math::

      y_i = \begin{cases} r_i / (1 - p) & \text{with probability } 1 - p \\ 0 & \text{with probability } p \end{cases}

    for row :math:`i` of the batch, to be used as ``x + stochastic_depth(key, branch(x), rate)``. It is
    :func:`regjax.stochastic.dropout` with one bit for each row, or one in all. The branch has been computed already;
    :func:`regjax.stochastic.residual_block` has modes that spare that.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it. Two branches need two keys.
      residual: floating array ``[batch, ...]``, the output of the branch.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced.
      mode: `"row"` draws for every entry of the leading axis, `"batch"` draws once.
      axis_name: under `shard_map`, the names of the mesh axes over which `residual` is sharded, one or a tuple, so that
        each shard draws for itself: the same key means the same draw on every one. Under `jit` alone leave it out.

    Returns:
      An array with the shape and dtype of `residual`, equal to it in expectation where the rate is below 1.

    Raises:
      TypeError: if `residual` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], `mode` is none of these, or `residual` has no rows to draw for.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> y = regjax.stochastic.stochastic_depth(jax.random.key(0), jnp.ones((4, 3)), 0.5)
      >>> bool(((y == 0).all(axis=1) | (y == 2).all(axis=1)).all())
      True

    References:
      Huang et al, `Deep Networks with Stochastic Depth <https://arxiv.org/abs/1603.09382>`_, 2016
    """
    residual = checks.floating("residual", residual)
    checks.one_of("mode", mode, MODES)
    if mode == "row":
        checks.leading_axis("residual", residual.shape)
    shared = range(1 if mode == "row" else 0, residual.ndim)
    return dropout(key, residual, rate, broadcast_dims=shared, axis_name=axis_name)
