"""A residual block of NNX whose branch is lost at random."""

from typing import Any

from flax import nnx

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Scalar
from regjax.nnx._stochastic_layer import Streams, StreamsOrKey, SwitchableLayer
from regjax.stochastic._residual_block import MODES, add_residual, drawless


class ResidualBlock(SwitchableLayer):
    """NNX form of :func:`regjax.stochastic.residual_block`: ``x + residual(x)``, the branch dropped at random.

    In mode "subset" the residual runs on the kept rows of the inputs only; other arguments of the call are passed on to
    it as they are, and `deterministic` cannot be traced; one row at least is kept, so a single one always. In mode
    "skip" it runs inside `nnx.cond`, with its state, whose structure must stay as it is there: no variable may come
    into being (as `sow` lets one). Lanes of `jax.vmap` that exchange something in it must have one key: where they
    choose differently, the gradient of a conditional leaves out what they exchanged. A `deterministic` of the call is
    passed on to the residual if that has an argument of this name.

    Attributes:
      residual: the module of the branch; its output has the shape of its input.
      rate: probability of dropping, in [0, 1]; the call may override it.
      mode: "row", "batch", "subset" or "skip", see the function.
      deterministic: if True, the branch is always kept. `train()`, `eval()` and `nnx.view`
        set it; the call may override it.
      rng_collection: name of the stream of keys in `rngs`.
      axis_name: under `shard_map`, the names of the mesh axes along which each shard draws for itself, one or a tuple.
      rngs: an `nnx.Rngs` or `nnx.RngStream`, from which the layer forks a stream of its own, or None, for a layer
        without random state; the call may pass either, or a key, instead.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax.nnx
      >>> from flax import nnx
      >>> rngs = nnx.Rngs(0)
      >>> block = regjax.nnx.ResidualBlock(nnx.Linear(3, 3, rngs=rngs), 0.5, mode="subset", rngs=rngs)
      >>> x = jnp.ones((4, 3))
      >>> int((block(x) == x).all(axis=1).sum())
      2
    """

    def __init__(
        self,
        residual: nnx.Module,
        rate: Scalar,
        *,
        mode: str = "row",
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        axis_name: AxisName = None,
        rngs: Streams = None,
    ) -> None:
        checks.rate("rate", rate)
        checks.one_of("mode", mode, MODES)
        checks.branch(residual)
        super().__init__(deterministic, rng_collection, rngs)
        self.residual = residual
        self.rate = rate
        self.mode = mode
        self.axis_name = axis_name

    def __call__(
        self,
        inputs: Array,
        *args: Any,
        deterministic: Flag = None,
        rngs: StreamsOrKey = None,
        rate: Scalar | None = None,
        **kwargs: Any,
    ) -> Array:
        kwargs = layers.passed_on(self.residual, deterministic) | kwargs
        amount = layers.first(rate, self.rate)
        off = layers.is_off(amount, deterministic, self.deterministic)
        checks.off_on_host(self.mode, off)
        chosen = layers.effective_rate(amount, off)
        return add_residual(
            layers.key_for(chosen, lambda: self._draw(rngs), drawless(self.mode)),
            lambda module, rows: module(rows, *args, **kwargs),
            self.residual,
            inputs,
            chosen,
            mode=self.mode,
            axis_name=self.axis_name,
            conditional=nnx.cond,
            shape_of=nnx.eval_shape,
            checkpoint=nnx.remat,
        )
