"""What does a whole loop look like in NNX: decay, max-norm, dropout, early stopping, Monte Carlo dropout?

As below: `nnx.Optimizer` takes the chain as it is, early stopping and `describe` take `nnx.state(model, nnx.Param)`,
`nnx.update` restores the best parameters, and `regjax.nnx.mc_call` makes passes with dropout of a model in evaluation
mode. Training on 300 digits stops after epoch 37; the parameters of epoch 27 have a test loss of 0.288 instead of
0.338, and 91.1 % of the test digits right. The mutual information is 0.199 nats where the network is right and 0.414
where it is wrong.
"""

import functools

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from sklearn.datasets import load_digits

import regjax
import regjax.nnx


class Network(nnx.Module):
    """Two hidden layers with dropout."""

    def __init__(self, rngs):
        self.first = nnx.Linear(64, 128, rngs=rngs)
        self.second = nnx.Linear(128, 128, rngs=rngs)
        self.last = nnx.Linear(128, 10, rngs=rngs)
        self.dropout = regjax.nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        x = self.dropout(nnx.relu(self.first(x)))
        x = self.dropout(nnx.relu(self.second(x)))
        return self.last(x)


def main(*, num_epochs: int = 100, patience: int = 10) -> dict:
    """Trains until the validation loss stops falling, restores the best parameters, and asks how sure they are."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels / 16, jnp.float32), jnp.asarray(classes)
    x_train, y_train, x_validation, y_validation = x[:300], y[:300], x[300:1000], y[300:1000]
    x_test, y_test = x[1000:], y[1000:]

    model = Network(nnx.Rngs(0))
    tx = optax.chain(
        optax.adam(3e-3),
        regjax.transforms.decoupled_weight_decay(0.1, 3e-3, mask="**/kernel"),
        regjax.transforms.project(regjax.constraints.max_norm(2.0, mask="**/kernel")),
    )
    print(regjax.diagnostics.describe(tx, nnx.state(model, nnx.Param)))
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

    def loss(model, x, y):
        return regjax.losses.softmax_cross_entropy(model(x), y).mean()

    @nnx.jit
    def train_step(model, optimizer, x, y):
        optimizer.update(model, nnx.grad(loss)(model, x, y))

    @nnx.jit
    def evaluate(model, x, y):
        return loss(model, x, y), 100 * jnp.mean(model(x).argmax(-1) == y)

    stopping = regjax.stopping.early_stopping(patience=patience, keep_best=True)
    watched = stopping.init(nnx.state(model, nnx.Param))  # the parameters alone, not the streams of dropout
    for _ in range(num_epochs):
        model.train()
        for first in range(0, len(x_train), 50):
            train_step(model, optimizer, x_train[first : first + 50], y_train[first : first + 50])
        model.eval()
        validation_loss, _ = evaluate(model, x_validation, y_validation)
        watched = stopping.update(watched, validation_loss, nnx.state(model, nnx.Param))
        if watched.should_stop:
            break

    def report(name, epoch):
        validation_loss, validation_accuracy = evaluate(model, x_validation, y_validation)
        test_loss, test_accuracy = evaluate(model, x_test, y_test)
        print(f"{name:15s}  {epoch:6d}", end="")
        print(f"  {validation_loss:10.4f} ({validation_accuracy:.1f} %)  {test_loss:6.4f} ({test_accuracy:.1f} %)")
        return validation_loss

    print("\n                  epoch  validation loss      test loss")
    report("last parameters", int(watched.step))
    nnx.update(model, watched.best_params)
    restored = report("best parameters", int(watched.best_step) + 1)

    @nnx.jit
    def predict(model, key, x):
        one_pass = functools.partial(regjax.nnx.mc_call, model)  # on a copy: the model stays in evaluation mode
        return regjax.uncertainty.mc_classify(one_pass, key, x, num_samples=50)

    told = predict(model, jax.random.key(1), x_test)
    right = model(x_test).argmax(-1) == y_test
    sure, unsure = told.mutual_information[right].mean(), told.mutual_information[~right].mean()
    print(f"Mutual information: {sure:.3f} nats where it is right, {unsure:.3f} where it is wrong.")
    norms = regjax.diagnostics.norms(regjax.masks.select("**/kernel", nnx.state(model, nnx.Param)))
    return {"watched": watched, "restored": restored, "norm": norms.total["max_unit"], "sure": (sure, unsure)}


if __name__ == "__main__":
    main()
