"""DropConnect: weights are lost instead of activations."""

import jax

from regjax._src import checks, paths, random
from regjax._src.tree import is_complex, is_floating
from regjax._src.types import AxisName, Key, PyTree, Scalar
from regjax.stochastic._dropout import dropout


def drop_connect(key: Key, tree: PyTree, rate: Scalar, *, axis_name: AxisName = None) -> PyTree:
    r"""Drops entries of weights at random and scales up the others.

    .. math::

      \tilde w_i = \begin{cases} w_i / (1 - p) & \text{with probability } 1 - p \\ 0 & \text{with probability } p
      \end{cases}

    Every floating leaf gets :func:`regjax.stochastic.dropout` with a key of its own, split off `key`. Select the leaves
    with :func:`regjax.masks.select` where not all of them are to lose entries, such as biases.

    Args:
      key: a PRNG key.
      tree: a tree of arrays. Integer and boolean leaves pass through, and so does `None`.
      rate: probability :math:`p` of dropping, in [0, 1]; may be traced.
      axis_name: under `shard_map`, the names of mesh axes, one or a tuple, along which each shard draws for itself, be
        it for its part of the weights or for its part of the batch: the same key means the same mask on every one.
        Under `jit` alone leave it out.

    Returns:
      A tree with the structure, shapes and dtypes of `tree`, equal to it in expectation where the rate is below 1.

    Raises:
      TypeError: if a leaf is complex, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1].

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> params = {"kernel": jnp.ones((2, 2)), "steps": jnp.array(3)}
      >>> regjax.stochastic.drop_connect(jax.random.key(0), params, 1.0)
      {'kernel': Array([[0., 0.],
             [0., 0.]], dtype=float32), 'steps': Array(3, dtype=int32...)}

    References:
      Wan et al, `Regularization of Neural Networks using DropConnect
      <https://proceedings.mlr.press/v28/wan13.html>`_, 2013
    """
    checks.rate("rate", rate)
    checks.no_text(tree)
    leaves, structure = jax.tree.flatten(tree)
    named = zip(paths.leaf_paths(tree), leaves, strict=True)
    checks.real_leaves([path for path, leaf in named if is_complex(leaf)])
    keys = iter(random.split(random.for_shard(key, axis_name), sum(map(is_floating, leaves))))
    return structure.unflatten([dropout(next(keys), leaf, rate) if is_floating(leaf) else leaf for leaf in leaves])
