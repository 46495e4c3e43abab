"""How much of itself an example keeps."""

import jax
import jax.numpy as jnp

from regjax._src.numerics import number
from regjax._src.types import Array, Key, Scalar


def symmetric_beta(key: Key, alpha: Scalar, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
    r"""Draws from Beta(alpha, alpha), safely for every alpha; alpha 0 gives 1, where nothing is mixed.

    With :math:`q = U^{1/\alpha}` and :math:`c = \cos 2 \pi V`, of two uniform draws,

    .. math::

      \tfrac12 + \operatorname{sign}(c) \, \tfrac12 \sqrt{\frac{(1 - q) c^2}{c^2 + q (1 - c^2)}}
      \sim \mathrm{Beta}(\alpha, \alpha)

    `jax.random.beta` divides two gamma draws, which both underflow for a small alpha, and draws them in a loop.

    References:
      Devroye, `Random Variate Generation in One Line of Code <https://doi.org/10.1145/256562.256623>`_, 1996
    """
    alpha = jax.lax.stop_gradient(number(alpha, dtype))
    u, v = jax.random.uniform(key, (2, *shape), dtype, minval=jnp.finfo(dtype).tiny)
    log_q = jnp.log(u) / jnp.where(alpha > 0, alpha, 1)
    q, c = jnp.exp(log_q), jnp.cos(2 * jnp.pi * v)
    scale = c**2 + q * (1 - c**2)
    root = jnp.sqrt(-jnp.expm1(log_q) * c**2 / scale)
    # (1 - root) / 2, without the cancellation.
    small = q / (2 * scale * (1 + root))
    return jnp.where(alpha > 0, jnp.where(c < 0, small, 1 - small), 1)
