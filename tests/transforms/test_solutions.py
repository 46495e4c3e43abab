"""Proximal optimizers end at the solution of the problem that is stated, on real data and in float32."""

import chex
import pytest

from tests.problems import METHODS, OTHER_METHODS, SETTINGS, fits, run

QUICK = {
    "lasso": set(METHODS) - {"Adam, AMSGrad"},
    "elastic net": {"SGD", "SGD, accelerated", "Adam", "RMSprop"},
    "non-negative lasso": {"SGD", "Adam", "RMSprop"},
    "logistic regression": {"SGD", "SGD, accelerated", "Adam", "RMSprop"},
    "group lasso, wine": {"SGD", "SGD, accelerated", "Adam", "RMSprop"},
    "group lasso, digits": {"Adam"},
    "sparse group lasso": {"SGD", "SGD, accelerated", "Adam", "RMSprop"},
}


PAIRS = [
    pytest.param(name, method, marks=() if method in QUICK[name] else pytest.mark.slow)
    for name, setting in SETTINGS.items()
    for method in METHODS
    if fits(setting, method)
]


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_solves_the_stated_problem(name, method):
    outcome = run(name, method)
    assert outcome.gap <= 1e-5
    assert outcome.same_support
    assert outcome.residual <= 2e-5
    if not SETTINGS[name].penalty.non_negative:
        assert abs(outcome.optimality - outcome.residual) <= 5e-7


def test_the_points_of_an_accelerated_descent_meet():
    outcome = run("group lasso, wine", "SGD, accelerated")
    chex.assert_trees_all_close(outcome.params, outcome.state.solution, atol=1e-6)
    assert ((outcome.params["weights"] == 0) == (outcome.state.solution["weights"] == 0)).all()


@pytest.mark.parametrize("method", OTHER_METHODS)
@pytest.mark.parametrize("name", ["lasso", "group lasso, wine"])
def test_a_penalty_beside_the_metric_of_adam_does_not(name, method):
    outcome = run(name, method)
    assert outcome.gap >= (0.05 if method == "Adam, then a Euclidean step" else 2e-5)
    assert not outcome.same_support
    assert outcome.optimality >= 0.02
    assert abs(outcome.optimality - outcome.residual) <= 5e-7
