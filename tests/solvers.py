"""Convex problems with structured sparsity, solved in NumPy float64: what optimizers are held against."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Penalty:
    """l1 sum |w| + l2 / 2 sum w^2 + group sum_rows |row|; with `non_negative` infinite where an entry is negative."""

    l1: float = 0.0
    l2: float = 0.0
    group: float = 0.0
    non_negative: bool = False

    def __call__(self, w):
        value = self.l1 * np.abs(w).sum() + self.l2 / 2 * (w**2).sum()
        if self.group:
            value += self.group * np.linalg.norm(w, axis=1).sum()
        return math.inf if self.non_negative and (w < 0).any() else value

    def prox(self, z, step):
        """Soft thresholding, then rows, then the ridge: exact in this order."""
        w = np.maximum(z - step * self.l1, 0)
        if not self.non_negative:
            w -= np.maximum(-z - step * self.l1, 0)
        if self.group:
            rows = np.linalg.norm(w, axis=1, keepdims=True)
            w = np.where(rows > step * self.group, w * (1 - step * self.group / np.maximum(rows, 1e-300)), 0.0)
        return w / (1 + step * self.l2)

    def residual(self, w, gradient):
        """The largest entry of the element of least norm of `gradient` + the subdifferential at w."""
        total = gradient + self.l1 * np.sign(w) + self.l2 * w
        shrunk = np.sign(total) * np.maximum(np.abs(total) - self.l1, 0)
        shrunk = np.minimum(total + self.l1, 0) if self.non_negative else shrunk
        rest = np.where(w == 0, shrunk, total)
        if self.group:
            rows, left = (np.linalg.norm(v, axis=1, keepdims=True) for v in (w, rest))
            inside = rest + self.group * w / np.where(rows > 0, rows, 1)
            rest = np.where(rows > 0, inside, rest * np.maximum(1 - self.group / np.maximum(left, 1e-300), 0))
        return np.abs(rest).max()

    def margin(self, w, gradient):
        """How far the zeros are from leaving 0, relative to the threshold: 0 says that the support is on the edge."""
        at_zero = -gradient if self.non_negative else np.abs(gradient)
        slack = []
        if self.group:
            zero_rows = ~w.any(1)
            left = np.linalg.norm(np.maximum(at_zero - self.l1, 0), axis=1)
            slack += list(1 - left[zero_rows] / self.group)
            at_zero, w = at_zero[~zero_rows], w[~zero_rows]
        if self.l1:
            slack += list(1 - at_zero[w == 0] / self.l1)
        return min(slack, default=1.0)


@dataclasses.dataclass(frozen=True)
class Loss:
    """A mean over examples of a convex function of `x @ weights + bias`.

    Attributes:
      value: (logits, targets, numpy or jax.numpy) -> the loss.
      slope: (logits, targets) -> its derivative with respect to the logits.
      curvature: what the second derivative of the function of one example is at most.
      has_bias: whether there is a bias, which is not penalized.
    """

    value: Callable
    slope: Callable
    curvature: float
    has_bias: bool


def _multinomial(logits, targets, xp):
    largest = xp.max(logits, axis=1, keepdims=True)
    normalizer = xp.log(xp.sum(xp.exp(logits - largest), axis=1)) + largest[:, 0]
    return (normalizer - xp.sum(targets * logits, axis=1)).mean()


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


LEAST_SQUARES = Loss(lambda z, y, xp: xp.sum((z - y) ** 2) / (2 * len(y)), lambda z, y: (z - y) / len(y), 1.0, False)
# Targets are -1 and 1.
LOGISTIC = Loss(
    lambda z, y, xp: xp.logaddexp(0, -y * z).mean(), lambda z, y: -y / (1 + np.exp(y * z)) / len(y), 0.25, True
)
# Targets are one-hot.
MULTINOMIAL = Loss(_multinomial, lambda z, y: (_softmax(z) - y) / len(y), 0.5, True)


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """loss(x @ weights + bias, y) + penalty(weights), for a dict of `weights` and, where there is one, `bias`."""

    loss: Loss
    penalty: Penalty
    x: np.ndarray
    y: np.ndarray

    @property
    def start(self):
        """Returns zeros."""
        bias = {"bias": np.zeros((1, *self.y.shape[1:]))} if self.loss.has_bias else {}
        return bias | {"weights": np.zeros((self.x.shape[1], *self.y.shape[1:]))}

    @property
    def lipschitz(self):
        """Returns the Lipschitz constant of the gradient of the loss."""
        columns = np.column_stack([self.x, np.ones(len(self.x))]) if self.loss.has_bias else self.x
        return self.loss.curvature * np.linalg.norm(columns, 2) ** 2 / len(columns)

    def objective(self, params):
        """Returns loss plus penalty in float64."""
        params = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
        logits = self.x @ params["weights"] + params.get("bias", 0.0)
        return self.loss.value(logits, self.y, np) + self.penalty(params["weights"])

    def gradient(self, params):
        """Returns the gradient of the loss in float64."""
        slope = self.loss.slope(self.x @ params["weights"] + params.get("bias", 0.0), self.y)
        return {name: self.x.T @ slope if name == "weights" else slope.sum(0, keepdims=True) for name in params}

    def residual(self, params):
        """Returns the first-order residual in float64, the bias included."""
        params = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
        gradient = self.gradient(params)
        bias = np.abs(gradient.get("bias", 0.0)).max()
        return max(bias, self.penalty.residual(params["weights"], gradient["weights"]))


def solve(problem, *, tolerance=1e-12, most=200_000):
    """Returns the solution by FISTA with restarts, until the first-order residual is below the tolerance."""
    step = 1 / problem.lipschitz
    now, ahead, t = problem.start, problem.start, 1.0
    for k in range(most):
        gradient = problem.gradient(ahead)
        moved = {name: leaf - step * gradient[name] for name, leaf in ahead.items()}
        moved["weights"] = problem.penalty.prox(moved["weights"], step)
        if sum(((ahead[name] - moved[name]) * (moved[name] - now[name])).sum() for name in now) > 0:
            t = 1.0
        next_t = (1 + math.sqrt(1 + 4 * t**2)) / 2
        ahead = {name: moved[name] + (t - 1) / next_t * (moved[name] - now[name]) for name in now}
        now, t = moved, next_t
        if k % 20 == 0 and problem.residual(now) <= tolerance:
            return now
    raise RuntimeError(f"no solution after {most} steps: the residual is {problem.residual(now)}")
