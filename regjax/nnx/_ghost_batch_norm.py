"""Ghost batch normalization as a layer of NNX."""

from typing import Any

import jax
from flax import nnx
from flax.nnx.nn import dtypes

from regjax._src import checks, layers
from regjax._src.ghost_batch_norm import Statistics, ghost_batch_norm
from regjax._src.types import Array


class GhostBatchNorm(nnx.BatchNorm):
    """NNX form of :class:`regjax.linen.GhostBatchNorm`, where its formulas stand.

    The layer is Flax's `BatchNorm` in all but the statistics of training: attributes, call arguments, parameters and
    running statistics are the same, so that checkpoints can be swapped, and evaluation is Flax's own code.

    Attributes:
      num_features: the number of features.
      virtual_batch_size: the most examples in a group.
      use_fast_variance: if True, the variance is computed in one pass, from the mean of squares.
      rngs: an `nnx.Rngs`, from which the parameters are drawn.
      options: all other arguments of Flax's `BatchNorm`, such as `use_running_average` (which `train()`, `eval()` and
        `nnx.view` set), `momentum`, `epsilon`, `axis`, `dtype` or `axis_name`. The batch is axis 0.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> layer = regjax.nnx.GhostBatchNorm(1, virtual_batch_size=2, rngs=nnx.Rngs(0))
      >>> layer(jnp.array([[0.0], [2.0], [10.0], [14.0]])).ravel().round(2)
      Array([-1.,  1., -1.,  1.], dtype=float32)
      >>> layer.mean[...]  # 0.99 * 0 + 0.01 * (1 + 12) / 2
      Array([0.065], dtype=float32)

    References:
      Hoffer et al, `Train longer, generalize better: closing the generalization gap in large batch training of neural
      networks <https://arxiv.org/abs/1705.08741>`_, 2017
    """

    def __init__(
        self,
        num_features: int,
        *,
        virtual_batch_size: int,
        use_fast_variance: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ) -> None:
        checks.at_least("num_features", num_features, 1)
        checks.at_least("virtual_batch_size", virtual_batch_size, 1)
        checks.instance("rngs", rngs, nnx.Rngs, "be an `nnx.Rngs`")
        super().__init__(num_features, use_fast_variance=use_fast_variance, rngs=rngs, **options)
        checks.batch_norm_options(self.momentum, self.epsilon, self.use_fast_variance, self.use_running_average)
        self.virtual_batch_size = virtual_batch_size

    def __call__(self, x: Array, use_running_average: bool | None = None, *, mask: Array | None = None) -> Array:
        """Normalizes `x`.

        Args:
          x: floating array ``[batch, ...]``.
          use_running_average: if True, the running statistics are used and stay; None leaves it to the layer.
          mask: which entries count in the statistics; broadcasts to `x`. A group of which none counts is normalized by
            the statistics of the others.

        Returns:
          An array with the shape of `x`.
        """
        checks.running_average(use_running_average)
        # Flax says what to do where neither the call nor the layer decides.
        if layers.first(layers.first(use_running_average, self.use_running_average), True):
            return super().__call__(x, use_running_average)
        x = checks.floating("x", x)
        scale, bias = (None if param is None else param[...] for param in (self.scale, self.bias))
        # The oldest Flax does not let its users say how dtypes are promoted.
        promote = getattr(self, "promote_dtype", lambda arrays, **_: arrays)
        promoted, *_ = promote((x, self.mean[...], self.var[...], scale, bias), dtype=self.dtype)
        y, moved = ghost_batch_norm(
            x,
            Statistics(self.mean[...], self.var[...]),
            scale,
            bias,
            virtual_batch_size=self.virtual_batch_size,
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_fast_variance=self.use_fast_variance,
            mask=mask,
            axis_name=self.axis_name,
            axis_index_groups=self.axis_index_groups,
        )
        self.mean[...], self.var[...] = jax.lax.stop_gradient(moved)
        return y.astype(dtypes.canonicalize_dtype(promoted, scale, bias, dtype=self.dtype))
