"""Two small networks, made of Flax layers and those of regjax."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

import regjax.linen
from _digits.data import NUM_CLASSES


class MLP(nn.Module):
    """Two hidden layers of 256 units, with dropout on the pixels and on the units.

    Attributes:
      pixel_rate: probability of dropping a pixel.
      unit_rate: probability of dropping a hidden unit.
    """

    pixel_rate: float = 0.0
    unit_rate: float = 0.0

    @property
    def noise(self) -> str:
        """What training drops at random, in words; empty if nothing."""
        dropped = f"dropout of pixels {self.pixel_rate}, of units {self.unit_rate}"
        return dropped if max(self.pixel_rate, self.unit_rate) > 0 else ""

    @nn.compact
    def __call__(self, images: jax.Array, *, deterministic: bool) -> jax.Array:
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        x = regjax.linen.Dropout(self.pixel_rate)(images, deterministic=deterministic)
        for name in ("first", "second"):
            x = nn.relu(nn.Dense(256, name=name)(x))
            x = regjax.linen.Dropout(self.unit_rate)(x, deterministic=deterministic)
        return nn.Dense(NUM_CLASSES, name="last")(x)


class Branch(nn.Module):
    """What a residual block adds to its input: nothing at first, because its last kernel starts at zero."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[batch, width]` to the same shape."""
        hidden = nn.relu(nn.Dense(x.shape[-1])(nn.LayerNorm()(x)))
        return nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros_init())(hidden)


class ResidualMLP(nn.Module):
    """Six residual blocks of width 96, with stochastic depth.

    Attributes:
      max_rate: probability of dropping the last block; it grows linearly from 0 at the first.
    """

    max_rate: float = 0.0

    @property
    def noise(self) -> str:
        """What training drops at random, in words; empty if nothing."""
        return f"blocks dropped with rates from 0 to {self.max_rate}" if self.max_rate > 0 else ""

    @nn.compact
    def __call__(self, images: jax.Array, *, deterministic: bool) -> jax.Array:
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        x = nn.Dense(96, name="first")(images)
        for rate in regjax.stochastic.stochastic_depth_rates(6, self.max_rate):
            x = regjax.linen.ResidualBlock(Branch(), rate)(x, deterministic=deterministic)
        return nn.Dense(NUM_CLASSES, name="last")(nn.relu(x))


def logits(model: MLP | ResidualMLP, params: Any, images: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Runs a model; with a key it drops at random, as in training."""
    rngs = None if key is None else {"dropout": key}
    return jnp.asarray(model.apply({"params": params}, images, deterministic=key is None, rngs=rngs))
