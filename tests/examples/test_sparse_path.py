import csv
import importlib
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image
from sklearn.linear_model import Lasso, lasso_path


def part(name: str) -> ModuleType:
    return importlib.import_module(f"_sparse_path.{name}")


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("sparse_path")


def columns(file):
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_run(script, tmp_path, capsys):
    script.main(["--steps", "400", "--strengths", "5", "--units", "16", "--out", str(tmp_path)])
    captured = capsys.readouterr()
    text = (tmp_path / "table.txt").read_text(encoding="utf-8")
    assert text in captured.out
    assert "5 networks at once: 100%" in captured.err and "400/400" in captured.err
    for name in ("lasso.png", "pixels.png", "tuned.png"):
        assert np.std(image.imread(tmp_path / name)[..., :3]) > 0.05

    lasso = columns(tmp_path / "lasso.csv")
    assert lasso["strength"].shape == (100,)
    assert "zero at 100 of 100 strengths" in " ".join(text.split())
    assert np.all(lasso["same_zeros"] == 1)
    np.testing.assert_array_equal(lasso["nonzero"], lasso["nonzero_reference"])
    assert (lasso["nonzero"][0], lasso["nonzero"][-1]) == (0, 10)
    assert lasso["largest_difference"].max() < 2e-3

    # From afar to where the gradient vanishes, which the path says is near 2.5.
    tuned = columns(tmp_path / "tuned.csv")
    assert tuned["strength"][0] > 7 * tuned["strength"][-1]
    assert tuned["strength"][-1] == pytest.approx(2.5, rel=0.03)
    assert tuned["validation_loss"][0] > 1.2 * tuned["validation_loss"][-1]
    assert abs(tuned["gradient"][-1]) < 1e-3

    networks = columns(tmp_path / "pixels.csv")
    assert np.all(np.diff(networks["strength"]) > 0)
    # Fewer and fewer, but for one or two: the problem is not convex.
    assert np.all(np.diff(networks["pixels"]) < 3)
    assert 35 < networks["pixels"][0] < 64 and 2 < networks["pixels"][-1] < 20
    assert networks["test_accuracy"][0] > 94 and networks["test_accuracy"][-1] < networks["test_accuracy"][0] - 10
    # A tenth of the strongest penalty of a pixel; training starts at more than that.
    assert networks["optimality"].max() < 0.01


def test_path_is_that_of_scikit_learn():
    lasso = part("lasso")
    rows = lasso.patients()
    np.testing.assert_allclose(rows.features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(rows.features.std(axis=0), 1)
    path = lasso.path(rows)
    strengths, weights, _ = lasso_path(*rows, tol=1e-12, max_iter=10**6)
    np.testing.assert_allclose(path.strengths, strengths, rtol=2e-6)
    largest = np.abs(weights).max()
    assert path.weights.dtype == np.float32
    assert np.abs(path.weights - weights.T).max() < 5e-5 * largest
    np.testing.assert_array_equal(path.weights != 0, weights.T != 0)
    # The first-order conditions, in float64: a gradient of the size of the strength, and no larger one at zeros.
    residual = rows.targets[:, None] - rows.features @ path.weights.T.astype(np.float64)
    gradients = (rows.features.T @ residual / len(residual)).T
    expected = path.strengths[:, None] * np.sign(path.weights)
    np.testing.assert_allclose(np.where(path.weights != 0, gradients - expected, 0), 0, atol=2e-4)
    assert np.all(np.abs(gradients) < path.strengths[:, None] + 2e-4)


def test_what_differs_is_told():
    path = part("lasso").Path(np.ones(2), np.array([[0, 1.0], [2, 3]]), np.array([[0, 1.5], [0, 3]]))
    np.testing.assert_array_equal(path.differences, [0.5, 2])
    np.testing.assert_array_equal(path.same_zeros, [True, False])


def test_gradient_of_a_strength():
    lasso = part("lasso")
    train, validation = lasso.halves()
    single = lasso.single(train), lasso.single(validation)
    strengths = np.float32([19.0, 2.6, 0.3])

    def loss(log_strength):
        return lasso.validation_loss(jnp.exp(log_strength), *single)

    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss)))(jnp.log(strengths))
    for strength, value, gradient in zip(strengths.tolist(), values, gradients, strict=True):
        errors = []
        for moved in (0.9999, 1, 1.0001):
            model = Lasso(strength * moved, fit_intercept=False, tol=1e-13, max_iter=10**6).fit(*train)
            errors.append(np.mean((validation.targets - validation.features @ model.coef_) ** 2))
        assert value == pytest.approx(errors[1], rel=1e-5)
        difference = (errors[2] - errors[0]) / (np.log(1.0001) - np.log(0.9999))
        assert abs(difference) > 1
        assert gradient == pytest.approx(difference, rel=1e-3)
        assert lasso.finite_difference(strength, train, validation) == pytest.approx(difference / errors[1], rel=1e-3)


def test_halves_share_no_patient():
    train, validation = part("lasso").halves()
    rows = np.concatenate([train.features, validation.features])
    assert len(train.targets) == len(validation.targets) == 221
    assert len(np.unique(rows.round(9), axis=0)) == 442
    np.testing.assert_allclose(train.features.mean(axis=0), 0, atol=1e-12)
    assert abs(validation.targets.mean()) > 0.1


def test_labels_keep_their_distance():
    apart = part("pictures")._apart
    np.testing.assert_allclose(apart(np.array([3.0, 0, 9]), 1), [3, 0, 9])
    np.testing.assert_allclose(apart(np.array([1.0, 1, 9]), 2), [0, 2, 9])


@pytest.mark.parametrize(("arguments", "says"), [(["--units", "0"], "'0'"), (["--strengths", "few"], "'few'")])
def test_wrong_options_give_one_line(script, arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(arguments)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("sparse_path.py: error: ") and message.count("\n") == 1 and says in message
