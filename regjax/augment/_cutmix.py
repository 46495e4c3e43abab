"""CutMix: a box of one example is pasted into another."""

import math

import jax
import jax.numpy as jnp

from regjax._src import checks, random
from regjax._src.types import ArrayLike, Key, PyTree, Scalar
from regjax.augment._beta import symmetric_beta
from regjax.augment._boxes import centered_boxes, inside
from regjax.augment._mixed import Mixed, arrays, blend, shapes, soft_targets
from regjax.augment._partners import of_partners, random_partners


def cutmix(
    key: Key,
    x: PyTree,
    y: PyTree,
    alpha: Scalar,
    *,
    per_example: bool = True,
    num_classes: int | None = None,
    where: ArrayLike | None = None,
) -> Mixed:
    r"""Pastes into every image a box of another one, and mixes their targets by area.

    In ``n`` spatial axes, of sizes :math:`S_d`, the box has sides

    .. math::

      \left[ S_d \, (1 - \lambda_i)^{1/n} \right], \qquad \lambda_i \sim \mathrm{Beta}(\alpha, \alpha)

    in pixels, rounded to the nearest. Its center is anywhere on the image, and what is outside is cut off. Then

    .. math::

      \tilde y_i = w_i y_i + (1 - w_i) y_{\pi(i)}, \qquad w_i = 1 - \frac{\text{pixels pasted}}{\prod_d S_d}

    with the pixels really pasted, so that the weight is true; on average it is larger than :math:`\lambda`. The
    partners :math:`\pi` follow one random cycle through the batch, as in :func:`regjax.augment.mixup`, where it is also
    said how to mix losses instead of targets. :math:`\alpha = 0` is the identity; but as :math:`\alpha \to 0`,
    :math:`\lambda` becomes 0 or 1, and half of the images get a large box.

    Args:
      key: a PRNG key.
      x: a tree of arrays ``[batch, *spatial, channels]`` of any dtype, `uint8` included, with the same spatial axes.
        So an image and its mask, which needs a channel too, get the same box.
      y: a tree of targets ``[batch, ...]``: floating ones, such as class probabilities or values to regress, or integer
        labels; or None.
      alpha: both parameters :math:`\alpha` of the Beta distribution, finite and >= 0; may be traced.
      per_example: whether each example draws a box of its own; otherwise one serves the batch.
      num_classes: the number of classes, which integer labels need. A label outside of [0, `num_classes`) counts as a
        row of zeros.
      where: boolean array ``[batch]`` of the examples to mix. The others, such as padding, stay as they are and are
        nobody's partner.

    Returns:
      A :class:`Mixed` with `x`, `y`, `weight` and `partner`. `x` and floating `y` have the shapes and dtypes that they
      came with, and integer labels become floating ones with the classes in a new last axis. The weights are float32,
      and those of examples that are their own partners, as the others of `where`, are 1.

    Raises:
      TypeError: if a leaf of `y` is neither floating nor integer, `where` not boolean, or an argument of a wrong kind.
      ValueError: if the leaves have different numbers of examples or spatial axes, `alpha` is a number that is negative
        or not finite, or there are integer labels and no `num_classes`.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> x = jnp.stack([jnp.zeros((8, 8, 1)), jnp.ones((8, 8, 1))])
      >>> mix = jax.jit(lambda key, x, labels: regjax.augment.cutmix(key, x, labels, 1.0, num_classes=2))
      >>> mixed = mix(jax.random.key(0), x, jnp.array([0, 1]))
      >>> bool((mixed.x.mean((1, 2, 3)) == mixed.y[:, 1]).all())
      True

    References:
      Yun et al, `CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features
      <https://arxiv.org/abs/1905.04899>`_, 2019
    """
    checks.strength("alpha", alpha)
    checks.flag("per_example", per_example)
    x = arrays("x", x, checks.any_array)
    y = soft_targets(y, num_classes, jnp.dtype(jnp.float32))
    batch = checks.batch_size(shapes("x", x), shapes("y", y))
    spatial = checks.spatial_shape(shapes("x", x))
    partner_key, weight_key, box_key = random.split(key, 3)
    partner = random_partners(partner_key, batch, where)
    drawn = symmetric_beta(weight_key, alpha, (batch if per_example else 1, 1), jnp.dtype(jnp.float32))
    sizes = jnp.asarray([spatial], jnp.float32)
    sides = jnp.round(sizes * (1 - drawn) ** (1 / len(spatial))).astype(jnp.int32)
    low, high = centered_boxes(box_key, sides, spatial)
    total = float(math.prod(spatial))
    own = (total - jnp.prod((high - low).astype(jnp.float32), axis=-1)) / total
    weight = jnp.where(partner == jnp.arange(batch), 1, own)
    box = inside(low, high, spatial)
    mixed = jax.tree.map(lambda image: jnp.where(box, of_partners(image, partner), image), x)
    return Mixed(mixed, blend(y, weight, partner), weight, partner)
