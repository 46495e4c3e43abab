"""The lasso on diabetes: its whole path at once, and its strength found by gradient descent.

The problem is stated as scikit-learn states it, 1 / (2 n) |y - X w|^2 + strength |w|_1.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, lasso_path

import regjax

NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
# After three hundred nothing moves any more in float32.
NUM_STEPS = 500
NUM_UPDATES = 60
LEARNING_RATE = 3.0


class Rows(NamedTuple):
    """Patients, of whom the features say how far the disease goes within a year.

    Attributes:
      features: `[rows, 10]`, of mean 0 and deviation 1.
      targets: `[rows]`, of mean 0.
    """

    features: np.ndarray | jax.Array
    targets: np.ndarray | jax.Array


class Path(NamedTuple):
    """The weights for each strength, ours and those of scikit-learn.

    Attributes:
      strengths: `[strengths]`, falling.
      weights: float32 `[strengths, 10]`.
      reference: float64 `[strengths, 10]`.
    """

    strengths: np.ndarray
    weights: np.ndarray
    reference: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """Returns the largest difference of a weight for each strength."""
        return np.abs(self.weights - self.reference).max(axis=1)

    @property
    def same_zeros(self) -> np.ndarray:
        """Tells for each strength whether the same weights are zero."""
        return np.all((self.weights != 0) == (self.reference != 0), axis=1)


class Tuned(NamedTuple):
    """What was met on the way from a first strength to a better one.

    Attributes:
      strengths: `[updates]`.
      losses: the validation losses there, `[updates]`.
      gradients: that of the logarithm of the loss by the logarithm of the strength, `[updates]`.
    """

    strengths: np.ndarray
    losses: np.ndarray
    gradients: np.ndarray


def patients() -> Rows:
    """Loads all rows."""
    rows = _load()
    return _standardized(rows, rows)


def halves() -> tuple[Rows, Rows]:
    """Loads two halves, one to train on and one to validate with, in the units of the first."""
    features, targets = _load()
    order = np.array_split(np.random.default_rng(0).permutation(len(targets)), 2)
    train, validation = (Rows(features[chosen], targets[chosen]) for chosen in order)
    return _standardized(train, train), _standardized(validation, train)


def strengths_of(rows: Rows) -> np.ndarray:
    """Returns the hundred strengths that scikit-learn's `lasso_path` would choose, in float32.

    The largest is the first at which all weights are zero. Each is a millionth more, so that rounding leaves it so.
    """
    return ((1 + 1e-6) * np.asarray(lasso_path(*rows)[0])).astype(np.float32)


def solve(strength: jax.Array, rows: Rows) -> jax.Array:
    """Returns the weights of the lasso, by accelerated proximal gradient descent."""

    def loss(weights: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(residuals(weights, rows))) / 2

    # 1 / L: no step can be longer, and none need be shorter.
    learning_rate = len(rows.features) / jnp.square(jnp.linalg.norm(rows.features, ord=2))
    lasso = regjax.regularizers.l1(strength)
    optimizer = regjax.transforms.proximal_sgd(learning_rate, lasso, accelerated=True)

    def step(carry: tuple[jax.Array, optax.OptState], _: None) -> tuple[tuple[jax.Array, optax.OptState], None]:
        weights, state = carry
        updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return (jnp.asarray(optax.apply_updates(weights, updates)), state), None

    start = jnp.zeros(rows.features.shape[1])
    (_, state), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=NUM_STEPS)
    # The weights in the carry are where the next gradient would be taken, a little ahead.
    return optax.tree.get(state, "solution")


def residuals(weights: jax.Array, rows: Rows) -> jax.Array:
    """Returns what the weights leave unexplained."""
    # Accelerators would multiply with fewer digits than float32 has.
    return jnp.asarray(rows.targets) - jnp.matmul(rows.features, weights, precision="highest")


# All strengths in one program.
solve_all = jax.jit(jax.vmap(solve, in_axes=(0, None)))


def path(rows: Rows) -> Path:
    """Solves all strengths of the path at once, and lets scikit-learn do it one after the other in float64."""
    strengths = strengths_of(rows)
    weights = np.asarray(solve_all(strengths, single(rows)))
    options: dict[str, Any] = {"alphas": strengths.astype(np.float64), "tol": 1e-12, "max_iter": 10**6}
    return Path(strengths, weights, np.asarray(lasso_path(*rows, **options)[1]).T)


def validation_loss(strength: jax.Array, train: Rows, validation: Rows) -> jax.Array:
    """Returns the mean squared error on rows that the lasso has not seen."""
    return jnp.mean(jnp.square(residuals(solve(strength, train), validation)))


# The whole curve in one program.
validation_losses = jax.jit(jax.vmap(validation_loss, in_axes=(0, None, None)))


@jax.jit
def tune(strength: jax.Array, train: Rows, validation: Rows) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Descends along the gradient of the validation loss, which goes through every step of the solver.

    Loss and strength are taken as logarithms, so that a learning rate has no unit.

    Args:
      strength: where to begin.
      train: the rows that the lasso sees.
      validation: those that judge it.

    Returns:
      The fields of `Tuned`.
    """

    def log_loss(log_strength: jax.Array) -> jax.Array:
        return jnp.log(validation_loss(jnp.exp(log_strength), train, validation))

    def update(log_strength: jax.Array, _: None) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        value, gradient = jax.value_and_grad(log_loss)(log_strength)
        return log_strength - LEARNING_RATE * gradient, (jnp.exp(log_strength), jnp.exp(value), gradient)

    return jax.lax.scan(update, jnp.log(strength), length=NUM_UPDATES)[1]


def finite_difference(strength: float, train: Rows, validation: Rows) -> float:
    """Returns the same gradient from two solutions of scikit-learn in float64."""

    def log_loss(log_strength: float) -> float:
        lasso = Lasso(np.exp(log_strength), fit_intercept=False, tol=1e-12, max_iter=10**6).fit(*train)
        return np.log(np.mean(np.square(validation.targets - lasso.predict(validation.features))))

    center, width = np.log(strength), 1e-4
    return (log_loss(center + width) - log_loss(center - width)) / (2 * width)


def single(rows: Rows) -> Rows:
    """Returns the rows in float32."""
    return Rows(*(jnp.asarray(array, jnp.float32) for array in rows))


def _load() -> Rows:
    return Rows(*map(np.asarray, load_diabetes(return_X_y=True)))


def _standardized(rows: Rows, like: Rows) -> Rows:
    features = (rows.features - like.features.mean(axis=0)) / like.features.std(axis=0)
    return Rows(features, rows.targets - like.targets.mean())
