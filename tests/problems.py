"""Sparse problems on real data, and the optimizers that are to solve them: for the tests and for the table."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn import datasets

from regjax import constraints, diagnostics, regularizers, transforms
from regjax.regularizers import Regularizer
from tests.solvers import LEAST_SQUARES, LOGISTIC, MULTINOMIAL, Loss, Penalty, Problem, solve


@functools.cache
def standardized(name):
    """Returns the features of a data set of scikit-learn in units of their deviation, and its targets."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    deviation = x.std(0)
    x = (x - x.mean(0)) / np.where(deviation > 0, deviation, 1)
    if name == "diabetes":
        return x, (y - y.mean()) / y.std()
    if name == "breast_cancer":
        return x, 2.0 * y - 1
    return x, np.eye(y.max() + 1)[y]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A problem as the reference solver and as a user would state it.

    Attributes:
      data: the name of the data set.
      loss: the loss.
      penalty: the penalty in NumPy.
      regularizer: the same one of ours.
      steps: how many steps each method gets; the plain gradient step gets `patience` times as many.
      rate: the learning rate from which adaptive methods start.
      patience: see `steps`.
    """

    data: str
    loss: Loss
    penalty: Penalty
    regularizer: Regularizer
    steps: int
    rate: float = 0.1
    patience: int = 1

    def problem(self):
        return Problem(self.loss, self.penalty, *standardized(self.data))


def _rows(function, *strengths):
    return function(*strengths, axis=1, size_scaling=False, mask="weights")


SETTINGS = {
    "lasso": Setting("diabetes", LEAST_SQUARES, Penalty(l1=0.1), regularizers.l1(0.1), 300),
    "elastic net": Setting(
        "diabetes", LEAST_SQUARES, Penalty(l1=0.16, l2=0.04), regularizers.elastic_net(0.16, 0.04), 300
    ),
    "non-negative lasso": Setting(
        "diabetes", LEAST_SQUARES, Penalty(l1=0.02, non_negative=True), regularizers.l1(0.02), 300
    ),
    "logistic regression": Setting(
        "breast_cancer",
        LOGISTIC,
        Penalty(l1=0.01),
        regularizers.l1(0.01, mask="weights"),
        2000,
        rate=0.2,
        patience=15,
    ),
    "group lasso, wine": Setting(
        "wine", MULTINOMIAL, Penalty(group=0.05), _rows(regularizers.group_lasso, 0.05), 600, patience=2
    ),
    "group lasso, digits": Setting(
        "digits", MULTINOMIAL, Penalty(group=0.02), _rows(regularizers.group_lasso, 0.02), 600, rate=0.05, patience=15
    ),
    "sparse group lasso": Setting(
        "wine",
        MULTINOMIAL,
        Penalty(0.02, group=0.04),
        _rows(regularizers.sparse_group_lasso, 0.02, 0.04),
        600,
        patience=2,
    ),
}


def _adaptive(optimizer, metric, scale=1.0):
    """A method that steps in a metric, with a learning rate that falls to 0."""

    def make(setting, steps, step_size):
        rate = optax.linear_schedule(scale * setting.rate, 0.0, steps)
        return transforms.proximal(optimizer(rate), setting.regularizer, rate, metric=metric)

    return make


def _adam(scale=1.0, **options):
    def make(setting, steps, step_size):
        rate = optax.linear_schedule(scale * setting.rate, 0.0, steps)
        return transforms.proximal_adam(rate, setting.regularizer, **options)

    return make


# From the setting, the number of steps and 1 / L to the optimizer.
METHODS: dict[str, Callable[..., optax.GradientTransformationExtraArgs]] = {
    "SGD": lambda setting, steps, step_size: transforms.proximal_sgd(step_size, setting.regularizer),
    "SGD, cosine": lambda setting, steps, step_size: transforms.proximal_sgd(
        optax.cosine_decay_schedule(step_size, steps), setting.regularizer
    ),
    "SGD, momentum": lambda setting, steps, step_size: transforms.proximal_sgd(
        0.1 * step_size, setting.regularizer, momentum=0.9
    ),
    "SGD, accelerated": lambda setting, steps, step_size: transforms.proximal_sgd(
        step_size, setting.regularizer, accelerated=True
    ),
    "proximal_step": lambda setting, steps, step_size: optax.chain(
        optax.sgd(step_size), transforms.proximal_step(setting.regularizer, step_size)
    ),
    "Adam": _adam(),
    "Adam, Nesterov": _adam(nesterov=True),
    "Adam, AMSGrad": _adam(amsgrad=True, scale=10.0),
    "RMSprop": _adaptive(optax.rmsprop, transforms.rmsprop_metric()),
    "Adagrad": _adaptive(optax.adagrad, transforms.adagrad_metric(), scale=10.0),
    "AdaBelief": _adaptive(optax.adabelief, transforms.adabelief_metric()),
}


def _euclidean_after_adam(setting, steps, step_size):
    rate = optax.linear_schedule(setting.rate, 0.0, steps)
    return optax.chain(optax.adam(rate), transforms.proximal_step(setting.regularizer, rate))


def _penalty_in_the_loss(setting, steps, step_size):
    rate = optax.linear_schedule(setting.rate, 0.0, steps)
    return optax.chain(transforms.add_penalty_gradients(setting.regularizer), optax.adam(rate))


# What does not solve the stated problem.
OTHER_METHODS = {
    "Adam, then a Euclidean step": _euclidean_after_adam,
    "Adam, penalty in the loss": _penalty_in_the_loss,
}
PLAIN = {"SGD", "SGD, cosine", "SGD, momentum", "proximal_step"}
# What steps more slowly: twice the steps make up for half of them being short.
EFFORT = {"SGD, cosine": 2, "Adam, AMSGrad": 10, "Adagrad": 5}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How close a method came.

    Attributes:
      params: what it ended with, in float32.
      state: the state of the optimizer.
      gap: (F - F*) / F*, both in float64.
      same_support: whether the same weights are zero as in the reference solution.
      optimality: what :func:`regjax.diagnostics.optimality` says; it knows no constraint.
      residual: the first-order residual in float64, of the constraint as well.
      nonzeros: the number of weights that are not zero.
      steps: the number of steps.
    """

    params: dict[str, jax.Array]
    state: optax.OptState
    gap: float
    same_support: bool
    optimality: float
    residual: float
    nonzeros: int
    steps: int


@functools.cache
def solution(name):
    """Returns the problem of a setting and its solution in float64."""
    problem = SETTINGS[name].problem()
    return problem, solve(problem, tolerance=1e-11)


def fits(setting, method):
    """Tells whether a method can solve a problem: nothing may follow an accelerated step, no projection either."""
    return not (setting.penalty.non_negative and method == "SGD, accelerated")


def run(name, method):
    """Trains in float32, full batch, in one compiled scan, and compares with the solution."""
    setting, (problem, best) = SETTINGS[name], solution(name)
    steps = setting.steps * EFFORT.get(method, 1) * (setting.patience if method in PLAIN else 1)
    tx = (METHODS | OTHER_METHODS)[method](setting, steps, 1 / problem.lipschitz)
    if setting.penalty.non_negative:
        # Both act on each weight alone, so one after the other is the operator of their sum, in any metric.
        tx = optax.chain(tx, transforms.project(constraints.non_negative()))
    x, y = jnp.asarray(problem.x, jnp.float32), jnp.asarray(problem.y, jnp.float32)

    def loss(params):
        return problem.loss.value(x @ params["weights"] + params.get("bias", 0.0), y, jnp)

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(step, (params, tx.init(params)), length=steps)
        return params, state, diagnostics.optimality(setting.regularizer, params, jax.grad(loss)(params))

    params, state, optimality = train(jax.tree.map(jnp.float32, problem.start))
    least = problem.objective(best)
    support = np.asarray(params["weights"] != 0)
    return Outcome(
        params=params,
        state=state,
        gap=(problem.objective(params) - least) / least,
        same_support=bool((support == (best["weights"] != 0)).all()),
        optimality=float(optimality),
        residual=float(problem.residual(params)),
        nonzeros=int(support.sum()),
        steps=steps,
    )
