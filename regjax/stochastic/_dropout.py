"""Dropout: whole entries are lost."""

from collections.abc import Sequence

import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import Array, ArrayLike, Key, Scalar


def dropout(key: Key, x: ArrayLike, rate: Scalar, *, broadcast_dims: Sequence[int] = ()) -> Array:
    r"""Drops entries at random and scales up the others.

    .. math::

      y_i = \begin{cases} x_i / (1 - p) & \text{with probability } 1 - p \\ 0 & \text{with probability } p \end{cases}

    The numbers are those of Flax's `Dropout` for the same key, bit for bit. A dropped entry is 0 and has gradient 0
    even where it was infinite or NaN. With :math:`p = 0` the result is `x`, with :math:`p = 1` it is zero and so are
    all its derivatives. No gradient flows to the rate.

    Args:
      key: a PRNG key; a rate of 0 or 1 that is a Python number does not look at it.
      x: floating array of any shape.
      rate: probability :math:`p` of dropping, in [0, 1]. One compilation serves all values of a traced rate, which is
        used in float32, or float64 if it has it.
      broadcast_dims: axes along which one bit serves all entries. `(1, 2)` drops whole channels of images
        ``[batch, height, width, channels]``, and `(1,)` the same features at all times of ``[batch, time, features]``.

    Returns:
      An array with the shape and dtype of `x`, equal to `x` in expectation where the rate is below 1.

    Raises:
      TypeError: if `x` is not floating, or `rate` or `key` is of a wrong kind.
      ValueError: if `rate` is a number outside [0, 1], or `broadcast_dims` names an axis that `x` does not have or
        names one twice.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.stochastic.dropout(jax.random.key(0), jnp.ones(4), 0.0)
      Array([1., 1., 1., 1.], dtype=float32)
      >>> x = jnp.ones((2, 3))
      >>> y = regjax.stochastic.dropout(jax.random.key(0), x, 0.5, broadcast_dims=(1,))
      >>> bool((y == y[:, :1]).all())
      True

      One mask for all steps of a recurrent network is drawn before them.

      >>> factors = regjax.stochastic.dropout(jax.random.key(0), jnp.ones((2, 8)), 0.5)
      >>> def step(state, x):
      ...     state = jnp.tanh(x + factors * state)
      ...     return state, state
      >>> _, states = jax.lax.scan(step, jnp.zeros((2, 8)), jnp.ones((5, 2, 8)))
      >>> bool(((states[1:] == states[:1]) == (factors == 0)[None]).all())  # who remembers nothing, at any time
      True

    References:
      Srivastava et al, `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
      <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014

      Tompson et al, `Efficient Object Localization Using Convolutional Networks
      <https://arxiv.org/abs/1411.4280>`_, 2015 (whole channels)

      Gal and Ghahramani, `A Theoretically Grounded Application of Dropout in Recurrent Neural Networks
      <https://arxiv.org/abs/1512.05287>`_, 2016 (one mask for all times)
    """
    x = checks.floating("x", x)
    checks.rate("rate", rate)
    shape = random.mask_shape(x.shape, broadcast_dims)
    if random.settled(rate, 0.0):
        return x
    if random.settled(rate, 1.0):
        return jnp.zeros_like(x)
    keep = 1.0 - random.probability(rate)
    return jnp.where(random.keep_mask(key, keep, shape), random.unbias(x, keep), 0)
