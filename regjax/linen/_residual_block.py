"""A residual block of Linen whose branch is lost at random."""

import dataclasses
from typing import Any

from flax import linen as nn

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, Scalar
from regjax.linen._eval_shape import eval_shape
from regjax.linen._stochastic_layer import StochasticLayer
from regjax.stochastic._residual_block import MODES, add_residual, drawless


class ResidualBlock(StochasticLayer):
    """Linen form of :func:`regjax.stochastic.residual_block`: ``x + residual(x)``, the branch dropped at random.

    In mode "subset" the residual runs on the kept rows of the inputs only; other arguments of the call are passed on to
    it as they are, and `deterministic` cannot be traced; one row at least is kept, so a single one always. In mode
    "skip" it runs inside `flax.linen.cond`, with its variables and streams. Lanes of `jax.vmap` that exchange something
    in it must have one key: where they choose differently, the gradient of a conditional leaves out what they
    exchanged. The block's own `deterministic` is passed on to the residual if that has an argument of this name.

    Attributes:
      residual: the module of the branch; its output has the shape of its input.
      rate: probability of dropping, in [0, 1]; the call may override it.
      mode: "row", "batch", "subset" or "skip", see the function.
      deterministic: if True, the branch is always kept; the call may override it.
      rng_collection: name of the stream of keys; the call may pass a key as `rng` instead.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.

    Examples:
      >>> import flax.linen as nn
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax.linen
      >>> block = regjax.linen.ResidualBlock(nn.Dense(3), 0.5, mode="subset")
      >>> x = jnp.ones((4, 3))
      >>> variables = block.init(jax.random.key(0), x)
      >>> y = block.apply(variables, x, deterministic=False, rngs={"dropout": jax.random.key(1)})
      >>> int((y == x).all(axis=1).sum())
      2
    """

    residual: nn.Module
    rate: Scalar
    _: dataclasses.KW_ONLY
    mode: str = "row"
    deterministic: bool | None = None
    rng_collection: str = "dropout"
    axis_name: AxisName = None

    def __post_init__(self) -> None:
        checks.rate("rate", self.rate)
        checks.one_of("mode", self.mode, MODES)
        checks.branch(self.residual)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        inputs: Array,
        *args: Any,
        deterministic: Flag = None,
        rng: Key | None = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Array:
        kwargs = layers.passed_on(self.residual, layers.first(deterministic, self.deterministic)) | kwargs
        amount = layers.first(rate, self.rate)
        # Parameters are made outside of the conditional, whose sides must have the same variables.
        off = self.is_initializing() or self._is_off(amount, deterministic, self.deterministic)
        checks.off_on_host(self.mode, off)
        chosen = layers.effective_rate(amount, off)
        return add_residual(
            layers.key_for(chosen, lambda: self._draw(rng, self.rng_collection), drawless(self.mode)),
            lambda module, rows: module(rows, *args, **kwargs),
            self.residual,
            inputs,
            chosen,
            mode=self.mode,
            axis_name=self.axis_name,
            conditional=nn.cond,
            shape_of=eval_shape,
            checkpoint=nn.remat,
        )
