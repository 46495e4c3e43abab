"""Why does an L1 term in the loss give no zeros, and what does?

Its gradient pushes by the same amount however small a weight is, so weights jump back and forth over zero. After 2,000
steps on the same problem, a lasso with 55 weights, neither gradient descent nor Adam with L1 in the loss has a single
zero, although Adam has 38 weights below 0.01. `proximal_sgd` and `proximal_adam` set weights to zero exactly: they have
42 zeros, those of scikit-learn, and a smaller loss. R2 on test patients is 0.427 with zeros as without: what is won is
not a better prediction, but 13 features instead of 55.

`sparse_path.py` does it for a hundred strengths at once.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import style
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import regjax

STRENGTH = 3.0


def patients():
    """Returns features and targets of 300 patients to train with and of 142 to test with, float32.

    The features are ten measurements and their products, standardized: 55 in all.
    """
    measurements, progression = load_diabetes(return_X_y=True)
    features = PolynomialFeatures(2, interaction_only=True, include_bias=False).fit_transform(measurements)
    train, test = np.split(np.random.default_rng(0).permutation(len(features)), [300])
    features = StandardScaler().fit(features[train]).transform(features)
    targets = progression - progression[train].mean()
    return [jnp.asarray(a, jnp.float32) for a in (features[train], targets[train], features[test], targets[test])]


def main(*, num_steps: int = 2000, folder: pathlib.Path = pathlib.Path("results/l1_zeros")) -> dict[str, np.ndarray]:
    """Solves one lasso in four ways and by scikit-learn, and returns the weights."""
    x_train, y_train, x_test, y_test = patients()
    l1 = regjax.regularizers.l1(STRENGTH)

    def loss(w):
        return jnp.mean((x_train @ w - y_train) ** 2) / 2

    def loss_and_l1(w):
        return loss(w) + l1.penalty(w)

    def minimize(function, optimizer):
        def step(carry, _):
            w, state = carry
            updates, state = optimizer.update(jax.grad(function)(w), state, w)
            return (optax.apply_updates(w, updates), state), None

        w = jnp.full(x_train.shape[1], 0.1)
        return jax.jit(lambda w: jax.lax.scan(step, (w, optimizer.init(w)), length=num_steps)[0][0])(w)

    rate = 1 / float(jnp.linalg.eigvalsh(x_train.T @ x_train / len(x_train))[-1])
    falling = optax.linear_schedule(1.0, 0.0, num_steps)
    sklearn = Lasso(STRENGTH, fit_intercept=False, tol=1e-8).fit(np.float64(x_train), np.float64(y_train))
    solutions = {
        "L1 in the loss, optax.sgd": minimize(loss_and_l1, optax.sgd(rate)),
        "L1 in the loss, optax.adam": minimize(loss_and_l1, optax.adam(falling)),
        "transforms.proximal_sgd": minimize(loss, regjax.transforms.proximal_sgd(rate, l1, accelerated=True)),
        "transforms.proximal_adam": minimize(loss, regjax.transforms.proximal_adam(falling, l1)),
        "scikit-learn": jnp.asarray(sklearn.coef_, jnp.float32),
    }

    print(f"{'':26s}  exact zeros  below 0.01  loss and L1  test R2")
    for name, w in solutions.items():
        zeros, small = int(jnp.sum(w == 0)), int(jnp.sum(jnp.abs(w) < 0.01))
        r2 = 1 - jnp.mean((x_test @ w - y_test) ** 2) / jnp.var(y_test)
        print(f"{name:26s}  {zeros:11d}  {small:10d}  {loss_and_l1(w):11.3f}  {r2:7.3f}")
    with style.picture(folder / "l1_zeros.png", 7.5, 3.2) as figure:
        axes = figure.subplots()
        colors = (style.ORANGE, style.VERMILION, style.GREEN, style.BLUE)
        for (name, w), color, width in zip(solutions.items(), colors, (1.6, 1.6, 5, 1.6), strict=False):
            size = np.sort(np.abs(w))[::-1]
            nonzero = size[size > 0]
            axes.plot(np.arange(1, len(nonzero) + 1), nonzero, color=color, linewidth=width, label=name)
        axes.set(yscale="log", xlabel="weights in the order of their size, zeros left out", ylabel="absolute value")
        axes.set(xlim=(0, 56), title=f"A lasso of {x_train.shape[1]} weights: where does each line end?")
        axes.legend(loc="lower left")
    return {name: np.asarray(w) for name, w in solutions.items()}


if __name__ == "__main__":
    main()
