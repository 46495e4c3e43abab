"""Mixup: straight lines between examples."""

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.numerics import compute_dtype
from regjax._src.types import ArrayLike, Key, PyTree, Scalar
from regjax.augment._beta import symmetric_beta
from regjax.augment._mixed import Mixed, arrays, blend, shapes, soft_targets
from regjax.augment._partners import random_partners


def mixup(
    key: Key,
    x: PyTree,
    y: PyTree,
    alpha: Scalar,
    *,
    per_example: bool = True,
    num_classes: int | None = None,
    where: ArrayLike | None = None,
) -> Mixed:
    r"""Mixes every example, and its target, with another one of the batch.

    .. math::

      \tilde x_i = \lambda_i x_i + (1 - \lambda_i) x_{\pi(i)}, \qquad
      \tilde y_i = \lambda_i y_i + (1 - \lambda_i) y_{\pi(i)}, \qquad
      \lambda_i = \max(\lambda'_i, 1 - \lambda'_i), \quad \lambda'_i \sim \mathrm{Beta}(\alpha, \alpha)

    The partners :math:`\pi` follow one random cycle through the batch: every other example is as likely, whatever the
    order of the batch, and the batch may have any size. The larger share goes to the example itself. As the weights
    are symmetric and a pair is as likely as its reverse, a mixed example has the same distribution as without the
    maximum; but every example leads in one row, and :math:`\alpha \to 0` approaches the identity, which
    :math:`\alpha = 0` is. Applied to hidden activations this is manifold mixup. No gradient flows to :math:`\alpha`.

    The cross-entropy is linear in the target, so mixing targets equals mixing losses. Where a loss is not, or takes
    integer labels only, pass ``y=None`` and mix the losses::

      mixed = mixup(key, x, None, 0.2)
      losses = mixed.weight * loss(mixed.x, y) + (1 - mixed.weight) * loss(mixed.x, y[mixed.partner])

    Args:
      key: a PRNG key.
      x: a tree of floating arrays ``[batch, ...]``. Images in `uint8` are to be scaled to floating ones first: rounded
        to integers, mixtures would be off.
      y: a tree of targets ``[batch, ...]``: floating ones, such as class probabilities or values to regress, or integer
        labels; or None.
      alpha: both parameters :math:`\alpha` of the Beta distribution, finite and >= 0; may be traced.
      per_example: whether each example draws a weight of its own; otherwise one serves the batch.
      num_classes: the number of classes, which integer labels need. A label outside of [0, `num_classes`) counts as a
        row of zeros.
      where: boolean array ``[batch]`` of the examples to mix. The others, such as padding, stay as they are and are
        nobody's partner.

    Returns:
      A :class:`Mixed` with `x`, `y`, `weight` and `partner`. `x` and floating `y` have the shapes and dtypes that they
      came with, and integer labels become floating ones with the classes in a new last axis. The weights, which are
      in [1/2, 1], are drawn and used in float32, or float64 where `x` has it.

    Raises:
      TypeError: if a leaf of `x` is not floating, one of `y` neither floating nor integer, `where` not boolean, or an
        argument of a wrong kind.
      ValueError: if the leaves have different numbers of examples, `alpha` is a number that is negative or not finite,
        or there are integer labels and no `num_classes`.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x, labels = jnp.array([[0.0], [10.0]]), jnp.array([0, 1])
      >>> mix = jax.jit(lambda key, x, labels: regjax.augment.mixup(key, x, labels, 1.0, num_classes=2))
      >>> mixed = mix(jax.random.key(0), x, labels)
      >>> mixed.partner
      Array([1, 0], dtype=int32)
      >>> bool(jnp.allclose(mixed.x[:, 0], 10 * mixed.y[:, 1]))
      True

    References:
      Zhang et al, `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_, 2018

      Verma et al, `Manifold Mixup: Better Representations by Interpolating Hidden States
      <https://arxiv.org/abs/1806.05236>`_, 2019
    """
    checks.strength("alpha", alpha)
    checks.flag("per_example", per_example)
    x = arrays("x", x, checks.floating)
    dtype = compute_dtype(*jax.tree.leaves(x))
    y = soft_targets(y, num_classes, dtype)
    batch = checks.batch_size(shapes("x", x), shapes("y", y))
    partner_key, weight_key = random.split(key, 2)
    partner = random_partners(partner_key, batch, where)
    drawn = symmetric_beta(weight_key, alpha, (batch if per_example else 1,), dtype)
    weight = jnp.where(partner == jnp.arange(batch), 1, jnp.maximum(drawn, 1 - drawn))
    return Mixed(blend(x, weight, partner), blend(y, weight, partner), weight, partner)
