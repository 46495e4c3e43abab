"""Ghost batch normalization as a layer of Linen."""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import canonicalize_dtype

from regjax._src import checks
from regjax._src.ghost_batch_norm import Statistics, ghost_batch_norm
from regjax._src.types import Array


class GhostBatchNorm(nn.BatchNorm):
    r"""Batch normalization with statistics of small virtual batches, whatever the size of the batch.

    In training the batch is cut into groups of at most `virtual_batch_size` consecutive examples, and every group is
    normalized by its own mean :math:`\mu_g` and biased variance :math:`\sigma_g^2`. So a large batch keeps the noise,
    and with it the regularization, of small ones. If the batch is not a multiple of `virtual_batch_size`, the groups
    are made as few and as equal as possible (129 examples in groups of at most 128 are 65 and 64); a batch that is
    smaller is one group, and the layer is then Flax's own.

    The running statistics move once in a call,

    .. math::

      \mu \leftarrow \rho \mu + (1 - \rho) \operatorname{mean}_g \mu_g, \qquad
      \sigma^2 \leftarrow \rho \sigma^2 + (1 - \rho) \operatorname{mean}_g \sigma_g^2,

    where groups count by their number of entries, which are equal in general. The mean is that of the whole batch. The
    variance is not: that of the whole batch is larger by the variance of the group means. It is the variance by which
    the network was normalized in training, and it is a little smaller than that of the population: by a factor
    :math:`1 - 1/m` for groups of :math:`m` independent entries. (The paper moves the statistics once for each group;
    with :math:`k` groups, the momentum :math:`\rho^k` is as fast.)

    The layer is Flax's `BatchNorm` in all else: its fields, call arguments, parameters and statistics, so that
    checkpoints can be swapped (give the layer a `name`, as the automatic one says `GhostBatchNorm`). Evaluation is
    Flax's own code, and takes a batch of any size. Two differences: statistics are always computed in float32, or in
    float64 for a float64 input, and by default in two passes, which does not cancel where the mean is large.

    With `axis_name`, by which Flax normalizes over all devices, groups stay within a device, and only the running
    statistics are averaged over them. Under `jit` with a sharded batch no name is needed; where every device holds
    whole groups, only the running statistics travel.

    Attributes:
      use_running_average: if True, the running statistics are used and stay; the call may say it instead.
      axis: the axes of the features; the batch is axis 0.
      momentum: how much of the running statistics stays in one call.
      epsilon: added to the variance.
      dtype: the dtype of the result; None infers it from the input and the parameters.
      param_dtype: the dtype of the parameters.
      use_bias: whether a learned bias is added.
      use_scale: whether the result is multiplied by a learned scale.
      bias_init: initializer of the bias.
      scale_init: initializer of the scale.
      axis_name: name of a mapped axis of devices, as of `jax.pmap`, over which the running statistics are averaged.
      axis_index_groups: groups of indices in that axis, within which they are averaged.
      use_fast_variance: if True, the variance is computed in one pass, from the mean of squares.
      force_float32_reductions: if False, the running statistics are kept in `param_dtype`.
      virtual_batch_size: the most examples in a group.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> layer = regjax.linen.GhostBatchNorm(virtual_batch_size=2)
      >>> x = jnp.array([[0.0], [2.0], [10.0], [14.0]])
      >>> variables = layer.init(jax.random.key(0), x, use_running_average=False)
      >>> y, updates = layer.apply(variables, x, use_running_average=False, mutable=["batch_stats"])
      >>> y.ravel().round(2)
      Array([-1.,  1., -1.,  1.], dtype=float32)
      >>> updates["batch_stats"]["mean"]  # 0.99 * 0 + 0.01 * (1 + 12) / 2
      Array([0.065], dtype=float32)

    References:
      Hoffer et al, `Train longer, generalize better: closing the generalization gap in large batch training of neural
      networks <https://arxiv.org/abs/1705.08741>`_, 2017
    """

    _: dataclasses.KW_ONLY
    virtual_batch_size: int
    use_fast_variance: bool = False

    def __post_init__(self) -> None:
        checks.at_least("virtual_batch_size", self.virtual_batch_size, 1)
        checks.batch_norm_options(self.momentum, self.epsilon, self.use_fast_variance, self.use_running_average)
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Array, use_running_average: bool | None = None, *, mask: Array | None = None) -> Array:
        """Normalizes `x`.

        Args:
          x: floating array ``[batch, ...]``.
          use_running_average: if True, the running statistics are used and stay.
          mask: which entries count in the statistics; broadcasts to `x`. A group of which none counts is normalized by
            the statistics of the others.

        Returns:
          An array with the shape of `x`.
        """
        checks.running_average(use_running_average)
        if nn.merge_param("use_running_average", self.use_running_average, use_running_average):
            return super().__call__(x, use_running_average)
        x = checks.floating("x", x)
        features = checks.axes(self.axis, x.shape, "`x`")
        checks.batch_is_no_feature(features, x.shape)
        shape = [x.shape[axis] for axis in features]
        kept_dtype = jnp.float32 if self.force_float32_reductions else self.param_dtype
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, kept_dtype)
        var = self.variable("batch_stats", "var", jnp.ones, shape, kept_dtype)
        scale = self.param("scale", self.scale_init, shape, self.param_dtype) if self.use_scale else None
        bias = self.param("bias", self.bias_init, shape, self.param_dtype) if self.use_bias else None
        y, moved = ghost_batch_norm(
            x,
            Statistics(mean.value, var.value),
            scale,
            bias,
            virtual_batch_size=self.virtual_batch_size,
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_fast_variance=self.use_fast_variance,
            mask=mask,
            # While parameters are made, there is no mapped axis.
            axis_name=None if self.is_initializing() else self.axis_name,
            axis_index_groups=self.axis_index_groups,
        )
        if not self.is_initializing():
            mean.value, var.value = moved
        return y.astype(canonicalize_dtype(x, scale, bias, dtype=self.dtype))
