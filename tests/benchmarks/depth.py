"""How much of the time of dropped blocks stochastic depth saves in a training step, and what memory it needs."""

import functools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from regjax import stochastic
from tests.benchmarks.measure import Row, alternate, spread
from tests.benchmarks.training import Training

BLOCKS, RATE = 16, 0.5
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"relu": jax.nn.relu, "gelu": jax.nn.gelu}
Params = list[tuple[jax.Array, jax.Array]]
Network = Callable[[Params, jax.Array, jax.Array], jax.Array]


def branch(kernels: tuple[jax.Array, jax.Array], x: jax.Array, activation: str) -> jax.Array:
    """Returns what a block adds."""
    return ACTIVATIONS[activation](x @ kernels[0]) @ kernels[1]


def with_blocks(kept: list[bool], scale: float, activation: str) -> Network:
    """Returns the network of the blocks that are kept, without any randomness."""

    def network(params: Params, x: jax.Array, _: jax.Array) -> jax.Array:
        for kernels in [kernels for kernels, keep in zip(params, kept, strict=True) if keep]:
            x = x + scale * branch(kernels, x, activation)
        return x

    return network


def with_depth(mode: str, activation: str) -> Network:
    """Returns the network whose blocks are dropped at random."""

    def network(params: Params, x: jax.Array, key: jax.Array) -> jax.Array:
        for kernels, block_key in zip(params, jax.random.split(key, len(params)), strict=True):
            residual = functools.partial(branch, kernels, activation=activation)
            x = stochastic.residual_block(block_key, residual, x, RATE, mode=mode)
        return x

    return network


def drawn_by(key: jax.Array, blocks: int = BLOCKS) -> list[bool]:
    """Tells which blocks mode "skip" keeps."""
    return [bool(added > 1) for added in _doubled(jax.random.split(key, blocks))]


@jax.jit
@jax.vmap
def _doubled(key: jax.Array) -> jax.Array:
    return stochastic.residual_block(key, jnp.ones_like, jnp.ones((1, 1)), RATE, mode="skip")[0, 0]


def rows(quick: bool) -> Iterator[Row]:
    """Measures all activations: what of them a gradient keeps differs."""
    for activation in ("gelu",) if quick else ACTIVATIONS:
        yield from rows_with(activation, quick)


def rows_with(activation: str, quick: bool) -> Iterator[Row]:
    """Measures both modes that spare work, and the plain one, against networks that never had the dropped blocks."""
    width, hidden, batch = (16, 32, 8) if quick else (256, 1024, 512)
    blocks = 4 if quick else BLOCKS
    keys = jax.random.split(jax.random.key(0), 2 * blocks)
    params = [
        (jax.random.normal(a, (width, hidden)) / width**0.5, 0.1 * jax.random.normal(b, (hidden, width)) / hidden**0.5)
        for a, b in zip(keys[::2], keys[1::2], strict=True)
    ]
    x = jax.random.normal(jax.random.key(1), (batch, width))
    # As many blocks as are kept on average.
    key = next(k for k in map(jax.random.key, range(100)) if sum(drawn_by(k, blocks)) == blocks // 2)

    def training(network: Network, rows: int = batch) -> Training:
        def loss(params: Params, x: jax.Array, key: jax.Array) -> Any:
            return jnp.mean(jnp.square(network(params, x, key)))

        return Training(loss, params, x[:rows], key)

    trainings = {
        "full": training(with_blocks([True] * blocks, 1.0, activation)),
        "half of the rows": training(with_blocks([True] * blocks, 1.0, activation), batch // 2),
        "drawn blocks alone": training(with_blocks(drawn_by(key, blocks), 2.0, activation)),
        **{mode: training(with_depth(mode, activation)) for mode in ("row", "subset", "skip")},
    }
    times = alternate(trainings, 2 if quick else 12)
    for mode, ideal, asked in (
        ("subset", "half of the rows", ">= 0.85"),
        ("skip", "drawn blocks alone", ">= 0.85"),
        ("row", "half of the rows", ""),
    ):
        name = f'stochastic depth "{mode}" ({activation}), step: share of the ideal saving'
        found, spread_of = saving(times["full"], times[mode], times[ideal])
        ours, least = statistics.median(times[mode]), statistics.median(times[ideal])
        yield Row(name, ours, least, ideal, found, asked, spread_of)
    for mode in ("subset", "skip"):
        ours, full = trainings[mode].memory / 2**20, trainings["full"].memory / 2**20
        name = f'stochastic depth "{mode}" ({activation}), memory of a step'
        yield Row(name, ours, full, "without dropping", ours / full, "< 1", unit="MiB")


def saving(full: list[float], ours: list[float], ideal: list[float]) -> tuple[float, tuple[float, float]]:
    """Returns what ours saves as a share of what the ideal saves, and its spread."""
    most, mine, least = map(statistics.median, (full, ours, ideal))
    # The differences of single rounds are smaller than what a single round errs by.
    each = [(most - time) / (most - least) for time in ours]
    return (most - mine) / (most - least), spread(each)
