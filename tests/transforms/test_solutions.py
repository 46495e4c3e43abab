"""Proximal gradient descent ends at the solution that independent solvers find, on real data."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import datasets, linear_model

from regjax import regularizers, transforms
from tests import reference


@pytest.fixture(scope="module")
def diabetes():
    x, y = datasets.load_diabetes(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    return x, (y - y.mean()) / y.std()


def solve(x, y, regularizer, shape, *, momentum=0.0):
    """Gradient descent on 1/(2n) |x w - y|^2, with a proximal step."""
    rate = 1.0 / np.linalg.eigvalsh(x.T @ x / len(x)).max()
    descent = optax.sgd(rate * (1 - momentum), momentum=momentum)
    tx = optax.chain(descent, transforms.proximal_step(regularizer, rate))
    # The normal equations keep float32 rounding out of the gradient at the solution.
    gram, moment = jnp.asarray(x.T @ x / len(x), jnp.float32), jnp.asarray(x.T @ y / len(x), jnp.float32)

    @jax.jit
    def run(w):
        def step(carry, _):
            w, state = carry
            updates, state = tx.update(gram @ w - moment, state, w)
            return (optax.apply_updates(w, updates), state), None

        return jax.lax.scan(step, (w, tx.init(w)), length=3000)[0][0]

    return np.asarray(run(jnp.zeros(shape)), np.float64)


def least_squares(x, y, w):
    return ((x @ w - y) ** 2).sum() / (2 * len(x))


def assert_same_solution(objective, ours, theirs):
    best = objective(theirs)
    assert objective(ours) <= best + 1e-6 * abs(best)
    np.testing.assert_array_equal(ours != 0, theirs != 0)


@pytest.mark.parametrize("strength", [0.02, 0.1, 0.3])
def test_lasso(diabetes, strength):
    x, y = diabetes
    theirs = linear_model.Lasso(alpha=strength, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y).coef_
    ours = solve(x, y, regularizers.l1(strength), 10)
    assert 0 < np.count_nonzero(theirs) < 10
    assert_same_solution(lambda w: least_squares(x, y, w) + reference.l1(w, strength), ours, theirs)


def test_with_momentum_the_step_size_is_that_of_a_steady_gradient(diabetes):
    x, y = diabetes
    theirs = linear_model.Lasso(alpha=0.1, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y).coef_
    ours = solve(x, y, regularizers.l1(0.1), 10, momentum=0.9)
    assert_same_solution(lambda w: least_squares(x, y, w) + reference.l1(w, 0.1), ours, theirs)


@pytest.mark.parametrize("ratio", [0.2, 0.8])
def test_elastic_net(diabetes, ratio):
    x, y = diabetes
    alpha = 0.2
    model = linear_model.ElasticNet(alpha=alpha, l1_ratio=ratio, fit_intercept=False, tol=1e-14, max_iter=100_000)
    theirs = model.fit(x, y).coef_
    l1, l2 = alpha * ratio, alpha * (1 - ratio)
    ours = solve(x, y, regularizers.elastic_net(l1, l2), 10)
    assert_same_solution(lambda w: least_squares(x, y, w) + reference.elastic_net(w, l1, l2), ours, theirs)


def test_group_lasso_is_the_multi_task_lasso(diabetes):
    # scikit-learn's MultiTaskLasso groups the weights of each feature over the tasks.
    x, y = diabetes
    tasks = np.stack([y, x[:, 2] + 0.5 * y, np.roll(y, 1)], axis=1)
    tasks -= tasks.mean(0)
    strength = 0.25
    model = linear_model.MultiTaskLasso(alpha=strength, fit_intercept=False, tol=1e-12, max_iter=100_000)
    theirs = model.fit(x, tasks).coef_.T
    ours = solve(x, tasks, regularizers.group_lasso(strength, axis=1, size_scaling=False), (10, 3))
    assert 0 < np.count_nonzero(theirs.any(1)) < 10

    def objective(w):
        return least_squares(x, tasks, w) + reference.group_lasso(w, strength, 1, size_scaling=False)

    assert_same_solution(objective, ours, theirs)


def test_sparse_group_lasso_satisfies_its_optimality_conditions(diabetes):
    x, y = diabetes
    tasks = np.stack([y, x[:, 2] + 0.5 * y, np.roll(y, 1)], axis=1)
    l1, group = 0.05, 0.1
    regularizer = regularizers.sparse_group_lasso(l1, group, axis=1, size_scaling=False)
    w = solve(x, tasks, regularizer, (10, 3))
    minus_gradient = x.T @ (tasks - x @ w) / len(x)
    assert 0 < np.count_nonzero(w) < w.size
    for row, g in zip(w, minus_gradient, strict=True):
        soft = np.sign(g) * np.maximum(np.abs(g) - l1, 0)
        if not row.any():
            assert np.linalg.norm(soft) <= group + 1e-5
            continue
        expected = l1 * np.sign(row) + group * row / np.linalg.norm(row)
        np.testing.assert_allclose(g[row != 0], expected[row != 0], atol=1e-5)
        assert (np.abs(g[row == 0]) <= l1 + 1e-5).all()
