"""The reference solver agrees with scikit-learn, whose objectives are written differently."""

import dataclasses
import inspect

import numpy as np
import pytest
from sklearn import linear_model

from tests.problems import SETTINGS, solution, standardized
from tests.solvers import LEAST_SQUARES, LOGISTIC, MULTINOMIAL, Penalty, Problem, solve

LINEAR = {"fit_intercept": False, "tol": 1e-14, "max_iter": 100_000}


def assert_same_weights(problem, theirs):
    ours = solve(problem)["weights"]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert 0 < np.count_nonzero(ours) < ours.size
    np.testing.assert_array_equal(ours != 0, theirs != 0)


@pytest.mark.parametrize("strength", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("positive", [False, True])
def test_lasso(strength, positive):
    x, y = standardized("diabetes")
    model = linear_model.Lasso(alpha=strength, positive=positive, **LINEAR).fit(x, y)
    assert_same_weights(Problem(LEAST_SQUARES, Penalty(strength, non_negative=positive), x, y), model.coef_)


@pytest.mark.parametrize("ratio", [0.2, 0.8])
def test_elastic_net(ratio):
    x, y = standardized("diabetes")
    model = linear_model.ElasticNet(alpha=0.2, l1_ratio=ratio, **LINEAR).fit(x, y)
    assert_same_weights(Problem(LEAST_SQUARES, Penalty(0.2 * ratio, 0.2 * (1 - ratio)), x, y), model.coef_)


def test_group_lasso():
    x, y = standardized("diabetes")
    tasks = np.stack([y, x[:, 2] + 0.5 * y, np.roll(y, 1)], axis=1)
    model = linear_model.MultiTaskLasso(alpha=0.25, **LINEAR).fit(x, tasks)
    assert_same_weights(Problem(LEAST_SQUARES, Penalty(group=0.25), x, tasks), model.coef_.T)


def test_sparse_logistic_regression():
    # liblinear penalizes an intercept, so without one.
    x, y = standardized("breast_cancer")
    strength = 0.01
    # The name of the option changed in scikit-learn 1.8.
    parameters = inspect.signature(linear_model.LogisticRegression).parameters
    lasso = {"l1_ratio": 1.0} if parameters["penalty"].default == "deprecated" else {"penalty": "l1"}
    model = linear_model.LogisticRegression(
        C=1 / (len(x) * strength), solver="liblinear", fit_intercept=False, tol=1e-10, max_iter=10_000, **lasso
    )
    loss = dataclasses.replace(LOGISTIC, has_bias=False)
    assert_same_weights(Problem(loss, Penalty(strength), x, y), model.fit(x, y).coef_[0])


@pytest.mark.parametrize(("name", "loss"), [("breast_cancer", LOGISTIC), ("wine", MULTINOMIAL)])
def test_ridge_with_a_bias(name, loss):
    x, y = standardized(name)
    strength = 0.1
    labels = y if y.ndim == 1 else y.argmax(1)
    model = linear_model.LogisticRegression(C=1 / (len(x) * strength), tol=1e-10, max_iter=10_000).fit(x, labels)
    ours = solve(Problem(loss, Penalty(l2=strength), x, y))
    shape = ours["weights"].T.shape
    np.testing.assert_allclose(ours["weights"].T, model.coef_.reshape(shape), atol=1e-5)
    bias = model.intercept_ - model.intercept_.mean() * (y.ndim > 1)
    np.testing.assert_allclose(ours["bias"].ravel(), bias, atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_supports_are_not_on_the_edge(name):
    problem, best = solution(name)
    assert problem.penalty.margin(best["weights"], problem.gradient(best)["weights"]) > 0.005
    units = best["weights"] if problem.penalty.group == 0 else np.linalg.norm(best["weights"], axis=1)
    assert np.abs(units[units != 0]).min() > 0.004 * np.abs(units).max()
    assert problem.residual(best) <= 1e-11


def test_no_solution_in_time_is_an_error():
    problem = Problem(LEAST_SQUARES, Penalty(0.1), *standardized("diabetes"))
    with pytest.raises(RuntimeError, match="no solution after 3 steps"):
        solve(problem, most=3)
