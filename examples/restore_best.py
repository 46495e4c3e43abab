"""How do I stop in time, and get back the parameters that were best?

`early_stopping(keep_best=True)` remembers the parameters of the smallest validation loss: `watched.best_params`, here
those of epoch 15 with 0.5215 nats. With a patience of 10 training stops after epoch 25; had it gone on to epoch 150,
the loss would have been 0.7359. On test digits it is 0.3335 with the best parameters and 0.4176 with the last. What is
watched is what gets better: accuracy is the same but for noise, 90.2 and 90.5 %.

`early_stopping.py` does it for a sweep of 32 strengths in one program.
"""

import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import style
from sklearn.datasets import load_digits

import regjax


def main(*, num_epochs: int = 150, patience: int = 10, folder: pathlib.Path = pathlib.Path("results/restore_best")):
    """Trains on 300 images, and returns the state of early stopping, the validation losses, and that of the best."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels / 16, jnp.float32), jnp.asarray(classes)
    train, validation, test = slice(300), slice(300, 1000), slice(1000, None)
    model = nn.Sequential([nn.Dense(256), nn.relu, nn.Dense(256), nn.relu, nn.Dense(10)])
    optimizer = optax.adam(1e-3)
    stopping = regjax.stopping.early_stopping(patience=patience, keep_best=True)

    def loss(params, x, y):
        return regjax.losses.softmax_cross_entropy(jnp.asarray(model.apply(params, x)), y).mean()

    @jax.jit
    def train_epoch(params, state, watched, key):
        def step(carry, rows):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params, x[train][rows], y[train][rows]), state)
            return (optax.apply_updates(params, updates), state), None

        batches = jax.random.permutation(key, 300).reshape(6, 50)
        (params, state), _ = jax.lax.scan(step, (params, state), batches)
        validation_loss = loss(params, x[validation], y[validation])
        return params, state, stopping.update(watched, validation_loss, params), validation_loss

    @jax.jit
    def evaluate(params):
        accuracy = jnp.mean(jnp.asarray(model.apply(params, x[test])).argmax(-1) == y[test])
        return loss(params, x[validation], y[validation]), loss(params, x[test], y[test]), 100 * accuracy

    params = model.init(jax.random.key(0), x[:1])
    state, watched, curve = optimizer.init(params), stopping.init(params), []
    for epoch in range(num_epochs):
        params, state, watched, validation_loss = train_epoch(
            params, state, watched, jax.random.fold_in(jax.random.key(1), epoch)
        )
        curve.append(float(validation_loss))
        # Your loop would say `if watched.should_stop: break`. This one goes on to show what would have come;
        # `watched` doesn't change any more.

    best, stopped = int(watched.best_step) + 1, int(watched.step)
    print("                  epoch  validation loss  test loss  test accuracy")
    for name, epoch, chosen in [("best parameters", best, watched.best_params), ("the last ones", num_epochs, params)]:
        validation_loss, test_loss, accuracy = evaluate(chosen)
        print(f"{name:15s}  {epoch:6d}  {validation_loss:15.4f}  {test_loss:9.4f}  {accuracy:11.1f} %")
    print(f"With a patience of {patience}, training stops after epoch {stopped}.")
    with style.picture(folder / "restore_best.png", 7, 3) as figure:
        axes = figure.subplots()
        epochs = np.arange(1, num_epochs + 1)
        axes.plot(epochs[:stopped], curve[:stopped], color=style.BLUE, label="until training stops")
        axes.plot(epochs[stopped - 1 :], curve[stopped - 1 :], ":", color=style.GRAY, label="had it gone on")
        axes.plot(best, curve[best - 1], "o", color=style.VERMILION, label=f"best parameters: epoch {best}")
        axes.set(xlabel="epoch", ylabel="validation loss (nats)", ylim=(0, 2 * max(curve[-1], curve[best - 1])))
        axes.legend(loc="lower right")
    return watched, np.array(curve, np.float32), evaluate(watched.best_params)[0]


if __name__ == "__main__":
    main()
