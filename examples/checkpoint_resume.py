"""My training with dropout was killed: how do I resume it so that nothing differs?

Draw each step's key from the number of the step, `jax.random.fold_in(key, step)`, and save parameters, optimizer state
and that number together. A training that is killed at step 130 and resumes from its checkpoint of step 100 ends at step
200 with the parameters of one that was never killed, bit for bit.
"""

import pathlib
import tempfile
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import serialization
from sklearn.datasets import load_digits

import regjax
import regjax.linen

model = nn.Sequential([nn.Dense(64), nn.relu, regjax.linen.Dropout(0.5, deterministic=False), nn.Dense(10)])
optimizer = regjax.transforms.proximal_adam(
    optax.cosine_decay_schedule(1e-2, 200), regjax.regularizers.l1(1e-3, mask="**/kernel")
)


@jax.jit
def train_step(params, state, step, x, y):
    """Makes one step; all that is random comes from its number, so there is no key to save."""
    key = jax.random.fold_in(jax.random.key(1), step)

    def loss(params):
        logits = jnp.asarray(model.apply(params, x, rngs={"dropout": key}))
        return regjax.losses.softmax_cross_entropy(logits, y).mean()

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


def train(file: pathlib.Path, *, num_steps: int, save_every: int) -> Any:
    """Trains up to a step, from the checkpoint if there is one, and returns the parameters."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels[:300] / 16, jnp.float32), jnp.asarray(classes[:300])
    params = model.init({"params": jax.random.key(0), "dropout": jax.random.key(0)}, x[:1])
    checkpoint = {"params": params, "state": optimizer.init(params), "step": 0}
    if file.exists():
        checkpoint = serialization.from_bytes(checkpoint, file.read_bytes())
        print(f"resumed at step {checkpoint['step']}")
    params, state = checkpoint["params"], checkpoint["state"]
    for step in range(checkpoint["step"], num_steps):
        if step % save_every == 0:
            written = file.with_suffix(".new")
            written.write_bytes(serialization.to_bytes({"params": params, "state": state, "step": step}))
            written.replace(file)  # a kill while writing leaves the checkpoint before
        params, state = train_step(params, state, step, x, y)
    return params


def main(*, num_steps: int = 200, killed_at: int = 130, save_every: int = 50) -> tuple[Any, Any]:
    """Trains without a break, and with one; returns the parameters of both."""
    with tempfile.TemporaryDirectory() as folder:
        whole = train(pathlib.Path(folder, "whole"), num_steps=num_steps, save_every=save_every)
        file = pathlib.Path(folder, "broken")
        train(file, num_steps=killed_at, save_every=save_every)  # what it returns is lost, as if it had been killed
        resumed = train(file, num_steps=num_steps, save_every=save_every)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), whole, resumed)
    print(f"the same parameters, bit for bit: {all(jax.tree.leaves(same))}")
    print(
        f"zeros: {regjax.diagnostics.sparsity(whole).total['zeros']} and "
        f"{regjax.diagnostics.sparsity(resumed).total['zeros']}"
    )
    return whole, resumed


if __name__ == "__main__":
    main()
