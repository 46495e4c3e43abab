"""What keeps the rate of concrete dropout from being learned away."""

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import number
from regjax._src.tree import sum_floating
from regjax._src.types import Array, PyTree, Scalar


def concrete_dropout_penalty(
    tree: PyTree,
    rate_logit: Scalar,
    *,
    num_features: int,
    weight_strength: Scalar = 1e-6,
    entropy_strength: Scalar = 1e-5,
) -> Array:
    r"""Returns the penalty on a learned rate and on the weights that its layer of dropout feeds.

    With :math:`\operatorname{logit} p = a` and :math:`K` features,

    .. math::

      \frac{\lambda_w}{1 - p} \sum_i w_i^2 + \lambda_h K \left( p \log p + (1 - p) \log (1 - p) \right)

    The second term, minus the entropy of the masks, pulls the rate to 1/2; the first pulls it to 0, the more so the
    larger the weights are. (The paper multiplies by :math:`1 - p`: its weights are the products :math:`w / (1 - p)`,
    while here, as in its authors' code, the layer divides what it keeps by :math:`1 - p`.)

    The strengths follow from the number :math:`N` of examples that the network is trained on and a prior length scale
    :math:`l`: for a mean negative log likelihood, such as a mean cross-entropy, :math:`\lambda_w = l^2 / (2 N)` and
    :math:`\lambda_h = 1 / N`; for a mean squared error and noise of precision :math:`\tau`,
    :math:`\lambda_w = l^2 / (\tau N)` and :math:`\lambda_h = 2 / (\tau N)`. So with more data, rates become smaller.

    Args:
      tree: the kernel of the layer that follows the dropout, or a tree of such arrays; other than floating leaves are
        ignored.
      rate_logit: :math:`a = \log p - \log(1 - p)`, finite; may be traced.
      num_features: the number :math:`K` of entries that are dropped in one example; the number of channels, where whole
        channels are.
      weight_strength: :math:`\lambda_w`, finite and >= 0; half of the strength that
        :func:`regjax.penalties.l2` would take, which has a factor 1/2; may be traced.
      entropy_strength: :math:`\lambda_h`, finite and >= 0; may be traced.

    Returns:
      A float32 scalar, or a float64 one if a leaf has it. It may be negative.

    Raises:
      TypeError: if a leaf is complex, or an argument is of a wrong kind.
      ValueError: if `rate_logit` is a number that is not finite, a strength is a number that is negative or not finite,
        or `num_features` is below 1.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.ones((3, 2))
      >>> penalty = regjax.stochastic.concrete_dropout_penalty(
      ...     kernel, 0.0, num_features=3, weight_strength=0.5, entropy_strength=1.0
      ... )
      >>> round(float(penalty), 2)  # 0.5 / 0.5 * 6 - 3 * log(2)
      3.92

    References:
      Gal, Hron and Kendall, `Concrete Dropout <https://arxiv.org/abs/1705.07832>`_, 2017
    """
    checks.logit("rate_logit", rate_logit)
    checks.at_least("num_features", num_features, 1)
    checks.strength("weight_strength", weight_strength)
    checks.strength("entropy_strength", entropy_strength)
    squares = sum_floating(lambda _, w: jnp.sum(jnp.square(w)), tree)
    logit, for_weights, for_entropy = (
        number(value, squares.dtype) for value in (rate_logit, weight_strength, entropy_strength)
    )
    log_dropped, log_kept = jax.nn.log_sigmoid(logit), jax.nn.log_sigmoid(-logit)
    minus_entropy = jnp.exp(log_dropped) * log_dropped + jnp.exp(log_kept) * log_kept
    return for_weights * squares * jnp.exp(-log_kept) + for_entropy * num_features * minus_entropy
