"""How do I try many strengths and dropout rates at once?

`jax.vmap` of the function that trains: strengths and rates may be traced, so 45 networks are one program, compiled
once. On 300 digits an L2 strength of 3e-3 is best at every rate; the validation loss is 0.473 with it and without
dropout, 0.741 with 1e-5. Beside a good strength, dropout does not help this small network: 0.480 with rate 0.2, 0.564
with 0.8.
"""

import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import style
from sklearn.datasets import load_digits

import regjax

STRENGTHS = np.geomspace(1e-5, 1e-1, 9, dtype=np.float32)
RATES = np.array([0, 0.2, 0.4, 0.6, 0.8], np.float32)


def network(params, x, key, rate):
    """Maps images `[batch, 64]` to logits `[batch, 10]`."""
    hidden = jax.nn.relu(x @ params["first"]["kernel"] + params["first"]["bias"][None])
    hidden = regjax.stochastic.dropout(key, hidden, rate)
    return hidden @ params["last"]["kernel"] + params["last"]["bias"][None]


def main(*, num_steps: int = 400, folder: pathlib.Path = pathlib.Path("results/sweep_vmap")) -> np.ndarray:
    """Trains a network for each pair, and returns the validation losses `[rates, strengths]`."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels / 16, jnp.float32), jnp.asarray(classes)
    x_train, y_train, x_validation, y_validation = x[:300], y[:300], x[300:1000], y[300:1000]
    first_key, last_key = jax.random.split(jax.random.key(0))
    glorot = jax.nn.initializers.glorot_normal()
    start = {
        "first": {"kernel": glorot(first_key, (64, 64)), "bias": jnp.zeros(64)},
        "last": {"kernel": glorot(last_key, (64, 10)), "bias": jnp.zeros(10)},
    }
    optimizer = optax.adam(1e-2)

    def train(strength, rate):
        """Trains one network; neither argument need be a Python number."""
        l2 = regjax.regularizers.l2(strength, mask="**/kernel")

        def step(carry, key):
            params, state = carry

            def loss(params):
                logits = network(params, x_train, key, rate)
                return regjax.losses.softmax_cross_entropy(logits, y_train).mean() + l2.penalty(params)

            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(jax.random.key(1), num_steps)
        (params, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), keys)
        logits = network(params, x_validation, jax.random.key(2), 0.0)
        return regjax.losses.softmax_cross_entropy(logits, y_validation).mean()

    sweep = jax.jit(jax.vmap(jax.vmap(train, (0, None)), (None, 0)))
    before = time.perf_counter()
    losses = np.asarray(sweep(STRENGTHS, RATES))
    print(f"{losses.size} networks in {time.perf_counter() - before:.1f} seconds with compilation; validation losses:")
    print("L2 strength  " + "  ".join(f"rate {rate:.1f}" for rate in RATES))
    for strength, row in zip(STRENGTHS, losses.T, strict=True):
        print(f"{strength:11.0e}  " + "  ".join(f"{loss:8.3f}" for loss in row))
    best_rate, best_strength = np.unravel_index(losses.argmin(), losses.shape)
    print(f"best: strength {STRENGTHS[best_strength]:.0e} with rate {RATES[best_rate]:.1f}")
    with style.picture(folder / "sweep_vmap.png", 7, 3) as figure:
        axes = figure.subplots()
        colors = (style.BLUE, style.GREEN, style.ORANGE, style.VERMILION, style.PURPLE)
        for rate, row, color in zip(RATES, losses, colors, strict=False):
            axes.plot(STRENGTHS, row, "o-", color=color, markersize=3, label=f"dropout {rate:.1f}")
        axes.set(xscale="log", xlabel="L2 strength", ylabel="validation loss (nats)", ylim=(0, None))
        axes.legend()
    return losses


if __name__ == "__main__":
    main()
