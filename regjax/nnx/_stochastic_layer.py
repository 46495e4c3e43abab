"""Where a stochastic layer of NNX finds its flag and its key: all in which it differs from Linen."""

from collections.abc import Callable
from typing import Any, TypeAlias

from flax import nnx

from regjax._src import checks, layers
from regjax._src.layers import Flag
from regjax._src.types import Key, PyTree, Scalar

Streams: TypeAlias = nnx.Rngs | nnx.RngStream | None
StreamsOrKey: TypeAlias = nnx.Rngs | nnx.RngStream | Key | None


class StochasticLayer(nnx.Module):
    """The base of the layers; abstract."""

    def __init__(self, rng_collection: str, rngs: Streams) -> None:
        checks.stream_name(rng_collection)
        self.rng_collection = rng_collection
        checks.instance("rngs", rngs, nnx.Rngs | nnx.RngStream | None, "be an `nnx.Rngs` or `nnx.RngStream`, or None")
        self.rngs = nnx.data(None if rngs is None else self._stream(rngs).fork())

    def _stream(self, rngs: nnx.Rngs | nnx.RngStream) -> nnx.RngStream:
        if isinstance(rngs, nnx.RngStream):
            return rngs
        checks.has_stream(self.rng_collection, self.rng_collection in rngs or "default" in rngs, rngs)
        return rngs[self.rng_collection]

    def _draw(self, rngs: StreamsOrKey) -> Key:
        chosen = layers.first(rngs, self.rngs)
        checks.rngs_given(chosen)
        return self._stream(chosen)() if isinstance(chosen, nnx.Rngs | nnx.RngStream) else chosen

    def _perturb(
        self,
        function: Callable[[Key, Any, Any], PyTree],
        inputs: PyTree,
        *,
        amount: tuple[Scalar | None, Scalar],
        deterministic: tuple[Flag, Flag],
        rngs: StreamsOrKey,
        drawless: tuple[float, ...] = layers.DRAWLESS,
        name: str = "rate",
    ) -> PyTree:
        """Applies the function; of each pair, the first is what the call says and the second what the layer says.

        `name` is that of the amount.
        """
        chosen = layers.first(*amount)
        off = layers.is_off(chosen, *deterministic, name=name)
        return layers.perturb(function, lambda: self._draw(rngs), inputs, chosen, off, drawless=drawless)


class SwitchableLayer(StochasticLayer):
    """The base of the layers that `train()`, `eval()` and `nnx.view` switch; abstract."""

    def __init__(self, deterministic: bool | None, rng_collection: str, rngs: Streams) -> None:
        super().__init__(rng_collection, rngs)
        self.deterministic = deterministic

    def set_view(self, deterministic: bool | None = None) -> None:
        """Switches the layer for :func:`flax.nnx.view`.

        Args:
          deterministic: if True, the layer is not random; None leaves it as it is.
        """
        self.deterministic = layers.first(deterministic, self.deterministic)
