"""How the rate of stochastic depth grows with the layer."""

from regjax._src import checks
from regjax._src.types import Scalar


def stochastic_depth_rates(num_layers: int, max_rate: Scalar) -> tuple[Scalar, ...]:
    r"""Returns the rates of a stack of layers, growing linearly from 0 to `max_rate`.

    .. math::

      p_l = \frac{l}{L - 1} \, p_\text{max}, \qquad l = 0, \dots, L - 1

    The early layers, from which all others draw, are kept most often. (The paper counts layers from 1 and divides by
    :math:`L`, so that its first layer has a small rate already.)

    Args:
      num_layers: the number :math:`L` of layers, at least 1.
      max_rate: the rate of the last layer, in [0, 1]; may be traced.

    Returns:
      One rate for each layer, 0 alone for a single layer. To scan over layers, stack them with `jnp.stack(rates)`.

    Raises:
      TypeError: if `num_layers` is not a Python integer, or `max_rate` is of a wrong kind.
      ValueError: if `num_layers` is below 1, or `max_rate` is a number outside [0, 1].

    Examples:
      >>> import regjax
      >>> regjax.stochastic.stochastic_depth_rates(3, 0.5)
      (0.0, 0.25, 0.5)

    References:
      Huang et al, `Deep Networks with Stochastic Depth <https://arxiv.org/abs/1603.09382>`_, 2016
    """
    last = checks.at_least("num_layers", num_layers, 1) - 1
    checks.rate("max_rate", max_rate)
    return (0.0, *(max_rate * (layer / last) for layer in range(1, num_layers)))
