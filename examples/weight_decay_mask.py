"""How do I decay the weights, but neither biases nor the scales of norms, and what happens if everything decays?

With `mask=regjax.masks.no_bias_or_norm()`, or `mask="**/kernel"`; `describe` shows which leaf decays. As long as the
decay is at most 1, it hardly matters for the accuracy here (92.2 to 93.0 % with either), but the scales of the norms
shrink: with a decay of 1 the mean scale of the last norm is 0.43 instead of 1.58. With a decay of 10 the network whose
weights decay still gets 92.2 % right, the one in which everything decays 27.1 %.
"""

import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import style
from sklearn.datasets import load_digits

import regjax

LEARNING_RATE = 3e-3
DECAYS = np.array([0.03, 0.1, 0.3, 1, 3, 10], np.float32)


class Network(nn.Module):
    """Two hidden layers with layer normalization."""

    @nn.compact
    def __call__(self, x):
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        for _ in range(2):
            x = nn.relu(nn.LayerNorm()(nn.Dense(32)(x)))
        return nn.Dense(10)(x)


def adam_with_decay(decay, mask):
    """Returns AdamW, told which leaves decay."""
    return optax.chain(
        optax.adam(LEARNING_RATE),
        regjax.transforms.decoupled_weight_decay(decay, LEARNING_RATE, mask=mask),
    )


def main(*, num_steps: int = 800, folder: pathlib.Path = pathlib.Path("results/weight_decay_mask")) -> dict:
    """Trains a network for each decay, all of them at once, then the same with decay of everything."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels / 16, jnp.float32), jnp.asarray(classes)
    model = Network()
    start: Any = model.init(jax.random.key(0), x[:1])

    weights = regjax.masks.no_bias_or_norm()  # mask="**/kernel" says the same for this model
    print(regjax.diagnostics.describe(adam_with_decay(0.1, weights), start))

    def evaluate(params: Any):
        accuracy = jnp.mean(jnp.asarray(model.apply(params, x[1000:])).argmax(-1) == y[1000:])
        return accuracy, jnp.mean(jnp.abs(params["params"]["LayerNorm_1"]["scale"]))

    def train(decay, mask):
        optimizer = adam_with_decay(decay, mask)

        def loss(params: Any):
            logits = jnp.asarray(model.apply(params, x[:1000]))
            return regjax.losses.softmax_cross_entropy(logits, y[:1000]).mean()

        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=num_steps)
        return evaluate(params)

    results = {}
    for name, mask in {"weights decay": weights, "everything decays": None}.items():
        accuracy, scale = jax.jit(jax.vmap(lambda decay, mask=mask: train(decay, mask)))(DECAYS)
        results[name] = 100 * np.asarray(accuracy), np.asarray(scale)

    print("\n        weights decay            everything decays")
    print("decay   accuracy  scale of norm  accuracy  scale of norm")
    for i, decay in enumerate(DECAYS):
        cells = [f"{accuracy[i]:6.1f} %  {scale[i]:13.3f}" for accuracy, scale in results.values()]
        print(f"{decay:5.2f}   {'  '.join(cells)}")
    with style.picture(folder / "weight_decay_mask.png", 7.5, 3) as figure:
        left, right = figure.subplots(1, 2)
        for (name, (accuracy, scale)), color in zip(results.items(), (style.BLUE, style.VERMILION), strict=True):
            left.plot(DECAYS, accuracy, "o-", color=color, markersize=4, label=name)
            right.plot(DECAYS, scale, "o-", color=color, markersize=4, label=name)
        left.set(xscale="log", xlabel="weight decay", ylabel="test accuracy (%)", ylim=(0, 100))
        right.set(xscale="log", xlabel="weight decay", ylabel="mean scale of the last norm", ylim=(0, None))
        left.legend(loc="lower left")
    return results


if __name__ == "__main__":
    main()
