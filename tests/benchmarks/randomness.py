"""Hands the random bits that are not JAX's own to the battery dieharder: `python -m tests.benchmarks.randomness`.

With `bits=8` and `bits=16`, dropout cuts the words that JAX would draw into pieces. Each stream is what a layer draws
for one array after the other, with a key for each step: the pieces as bytes, and the masks of rate 1/2 packed into
bits. A stream in which two neighbors share their piece stands beside them, to see that the battery would notice.

Of a hundred p-values of a perfect generator about one is called weak. dieharder is a program of its own, a package of
many systems. Version 3.31.1 said of the pieces of 8 bits 43 passed, 2 weak and 0 failed, and of those of 16 bits 45, 0
and 0; in its tests 0, 4, 8, 15, 100 and 102 of the masks 36, 0 and 0 with 8 bits and 34, 2 and 0 with 16, and of the
control 4, 0 and 32.
"""

import argparse
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regjax import stochastic
from regjax._src import bits

# Those that dieharder calls good and that need less than a gigabyte.
BATTERY = (0, 2, 3, 4, 8, 9, 15, 16, 100, 101, 102, 205, 206, 209)
SHAPE = (1024, 4096)
OUTCOMES = ("PASSED", "WEAK", "FAILED")
Draw = Callable[[jax.Array], jax.Array]


def pieces(width: int) -> Draw:
    """Returns the bytes of what decides on each entry."""

    def draw(key: jax.Array) -> jax.Array:
        low = bits.pieces(key, SHAPE, width, lambda piece: piece & np.uint32(0xFF))
        if width == 8:
            return low
        return jnp.stack([low, bits.pieces(jax.random.clone(key), SHAPE, width, lambda piece: piece >> 8)], -1)

    return draw


def masks(width: int) -> Draw:
    """Returns masks of rate 1/2, eight entries to a byte."""
    x = jnp.ones(SHAPE)
    return lambda key: jnp.packbits(stochastic.dropout(key, x, 0.5, bits=width) > 0)


def shared(key: jax.Array) -> jax.Array:
    """Returns pieces of which two neighbors are the same."""
    return jnp.repeat(pieces(8)(key)[:, ::2], 2, axis=-1)


STREAMS: dict[str, Draw] = {
    "pieces of 8 bits": pieces(8),
    "pieces of 16 bits": pieces(16),
    "masks, bits=8": masks(8),
    "masks, bits=16": masks(16),
    "control: shared pieces": shared,
}


def stream(draw: Draw) -> Iterator[bytes]:
    """Yields what is drawn with the key of each step, without end."""
    compiled = jax.jit(lambda step: draw(jax.random.fold_in(jax.random.key(0), step)))
    step = 0
    while True:
        yield np.asarray(compiled(step)).tobytes()
        step += 1


def judge(draw: Draw, test: int) -> Counter[str]:
    """Counts what a test of the battery says of a stream."""
    command = ["dieharder", "-g", "200", "-d", str(test)]  # 200: from the standard input
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as battery:
        assert battery.stdin is not None and battery.stdout is not None
        try:
            for block in stream(draw):
                battery.stdin.write(block)
        except BrokenPipeError:
            pass  # it has seen enough
        return Counter(re.findall("|".join(OUTCOMES), battery.stdout.read().decode()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints how many p-values of each stream pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.randomness", description=__doc__)
    parser.add_argument("streams", nargs="*", metavar="stream", help=f"of {', '.join(STREAMS)} (all)")
    parser.add_argument("--tests", type=int, nargs="+", default=BATTERY, help="numbers of dieharder's tests")
    options = parser.parse_args(arguments)
    if unknown := set(options.streams) - set(STREAMS):
        parser.error(f"there is no stream {', '.join(sorted(unknown))}, but {', '.join(STREAMS)}")
    if shutil.which("dieharder") is None:
        print("dieharder is not installed, so nothing is judged")
        return
    print(f"{'':24}", *(f"{outcome.lower():>7}" for outcome in OUTCOMES))
    for name in options.streams or STREAMS:
        found = sum((judge(STREAMS[name], test) for test in options.tests), Counter[str]())
        print(f"{name:24}", *(f"{found[outcome]:7}" for outcome in OUTCOMES), flush=True)


if __name__ == "__main__":
    main()
