"""Where a stochastic layer of Linen finds its flag and its key: all in which it differs from NNX."""

from collections.abc import Callable
from typing import Any

from flax import linen as nn

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Array, AxisName, Key, PyTree, Scalar


class StochasticLayer(nn.Module):
    """The base of the layers; abstract."""

    @nn.nowrap
    def _is_off(self, amount: Scalar, call: Flag, layer: Flag, name: str = "rate") -> bool | Array:
        # Nothing needs to be random for parameters to be made.
        return layers.is_off(amount, call, True if layer is None and self.is_initializing() else layer, name=name)

    @nn.nowrap
    def _bound(self, axis_name: AxisName) -> AxisName:
        # Parameters are made outside of `shard_map`, where no axis has a name.
        return None if self.is_initializing() else axis_name

    @nn.nowrap
    def _draw(self, rng: Key | None, stream: str) -> Key:
        if rng is not None:
            return rng
        checks.stream_name(stream)
        streams = self.scope.rngs if self.scope else {}
        # Flax falls back to the stream of the parameters, which is there while they are made.
        checks.has_stream(stream, stream in streams or "params" in streams, streams)
        return self.make_rng(stream)

    @nn.nowrap
    def _perturb(
        self,
        function: Callable[[Key, Any, Any], PyTree],
        inputs: PyTree,
        *,
        amount: tuple[Scalar | None, Scalar],
        deterministic: tuple[Flag, Flag],
        rng: tuple[Key | None, str],
        drawless: tuple[float, ...] = layers.DRAWLESS,
        name: str = "rate",
    ) -> PyTree:
        """Applies the function; of each pair, the first is what the call says and the second what the layer says.

        `name` is that of the amount.
        """
        chosen = layers.first(*amount)
        off = self._is_off(chosen, *deterministic, name)
        return layers.perturb(function, lambda: self._draw(*rng), inputs, chosen, off, drawless=drawless)
