import csv
import dataclasses
import functools
import importlib
import pathlib
import subprocess
import sys
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matplotlib import image

from tests.examples.conftest import EXAMPLES

# All runs share their compiled programs.
ARGUMENTS = ["--epochs", "30", "--seeds", "2"]
# Strong enough for the group lasso to remove pixels in so few epochs.
STRENGTH = 4e-3


def part(name: str) -> ModuleType:
    return importlib.import_module(f"_digits.{name}")


@pytest.fixture(scope="module")
def main():
    return importlib.import_module("digits").main


def rows(folder: pathlib.Path) -> dict[str, dict[str, str]]:
    with (folder / "table.csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def without_seconds(folder: pathlib.Path) -> list[list[str]]:
    lines = (folder / "table.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[:-1] for line in lines if line.startswith(("none", "dropout"))]


def test_run(main, tmp_path, monkeypatch, capsys):
    # One test and not several: tests may run in several processes, and each would have to compile all of it.
    first, second = tmp_path / "made" / "by the script", tmp_path
    # As many strengths as seeds, so that no other program is compiled for them.
    monkeypatch.setattr(sys.modules["digits"], "PATH", with_strength(np.array([STRENGTH, 1.0])))
    monkeypatch.setattr(part("uncertainty"), "_NUM_PASSES", 20)
    monkeypatch.setitem(part("methods").METHODS, "group_lasso", with_strength(STRENGTH))
    main([*ARGUMENTS, "--methods", "none,group_lasso,dropout", "--out", str(first)])
    for name in ("learning_curves.png", "weights.png", "pixels.png", "uncertainty.png"):
        shows_something(first / name)
    overfits_and_is_cured(**rows(first))
    differs_as_trained_with_dropout_only(**rows(first))
    drops_whole_pixels(**rows(first))
    zeros_are_rows_of_the_kernel()

    capsys.readouterr()
    main([*ARGUMENTS, "--methods", "none, dropout,none", "--out", str(second)])
    captured = capsys.readouterr()
    assert len(without_seconds(second)) == 2
    assert without_seconds(second) == without_seconds(first)
    assert (second / "table.txt").read_text(encoding="utf-8") in captured.out
    assert str(second) in captured.out.splitlines()[-1]
    assert "60/60" in captured.err


def with_strength(strength: float | np.ndarray) -> object:
    method = part("methods").METHODS["group_lasso"]
    lasso = part("methods").regularizers.group_lasso(strength, axis=1, mask="first/kernel")
    return dataclasses.replace(method, proximal=lasso)


def shows_something(file: pathlib.Path) -> None:
    pixels = image.imread(file)
    assert min(pixels.shape[:2]) > 200
    assert np.std(pixels[..., :3]) > 0.05


def overfits_and_is_cured(none, dropout, group_lasso):
    assert float(none["train_loss"]) < 0.01
    assert 90 < float(none["test_accuracy"]) < 98
    assert float(dropout["gain"]) > 0
    assert none["gain"] == ""
    assert group_lasso["gain"] != ""


def differs_as_trained_with_dropout_only(none, dropout, group_lasso):
    assert none["train_loss_as_trained"] == none["train_loss"]
    assert group_lasso["train_loss_as_trained"] == group_lasso["train_loss"]
    assert float(dropout["train_loss_as_trained"]) > float(dropout["train_loss"]) + 0.01


def drops_whole_pixels(none, dropout, group_lasso):
    assert float(none["pixels_kept"]) == float(dropout["pixels_kept"]) == 64
    assert float(none["zeros"]) == float(dropout["zeros"]) == 0
    assert 20 < float(group_lasso["pixels_kept"]) < 60
    assert float(group_lasso["zeros"]) > 0


def zeros_are_rows_of_the_kernel():
    methods, training, data = part("methods"), part("training"), part("data")
    images = data.load([0, 1])
    method = methods.METHODS["group_lasso"]
    trained = training.train(method, images, [0, 1], num_epochs=30, on_epoch=lambda: None)
    kernels = trained.params["first"]["kernel"]
    gone = np.all(kernels == 0, axis=2)
    np.testing.assert_array_equal(64 - gone.sum(axis=1), trained.final.pixels)
    # Rows vanish as a whole: outside of them hardly a weight is zero (by underflow, in a row that is on its way).
    assert np.count_nonzero(kernels) > 0.99 * 256 * np.count_nonzero(~gone)
    # Pixels that are dark in all training images are of no use, and so are gone.
    dark = np.all(images.train_images == 0, axis=1)
    assert dark.any()
    assert np.all(gone[dark])


@pytest.fixture
def _folder_with_obstacles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "weights.png").mkdir(parents=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--methods", "none,dropuot"], "dropuot"),
        (["--methods", ""], "choose from none, l2, l1_loss, l1"),
        (["--epochs", "0"], "'0'"),
        (["--seeds", "many"], "'many'"),
        (["--epoch", "3"], "--epoch"),
        (["left over"], "left over"),
        (["--out", "file"], "'file'"),
        (["--out", "file/below"], "'file/below'"),
        (["--out", "taken"], "'taken'"),
        (["--out", ""], "empty"),
    ],
)
@pytest.mark.usefixtures("_folder_with_obstacles")
def test_wrong_options_give_one_line(main, arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("digits.py: error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_script_runs_from_any_folder(tmp_path):
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "digits.py", "--methods", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "'nothing'" in ended.stderr


def test_list_shows_the_methods_and_writes_nothing(main, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["--list"])
    assert stopped.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(part("methods").METHODS)
    assert "l1(strength=0.0003" in lines[3]
    assert not list(tmp_path.iterdir())


def test_splits_do_not_overlap():
    images = part("data").load([0, 1, 0])
    assert images.train_images.shape == (3, 300, 64)
    assert images.validation_images.shape == (3, 500, 64)
    assert images.test_images.shape == (997, 64)
    np.testing.assert_array_equal(images.train_images[0], images.train_images[2])
    assert not np.array_equal(images.train_images[0], images.train_images[1])
    # All 1,797 images are different.
    everything = np.concatenate([images.train_images[1], images.validation_images[1], images.test_images])
    assert len(np.unique(everything, axis=0)) == 1797
    assert everything.min() == 0
    assert everything.max() == 1


def test_every_baseline_is_a_row():
    for method in part("methods").METHODS.values():
        baseline = part("methods").METHODS[method.baseline]
        assert baseline.baseline == baseline.name
        assert (type(method.model), method.optimizer, method.peak) == (
            type(baseline.model),
            baseline.optimizer,
            baseline.peak,
        )
        assert not jax.tree.leaves(baseline)


def test_every_method_keeps_the_types_of_its_state():
    # Traced and not compiled, which would take long; the epochs of a run share one program only if nothing changes.
    methods, training = part("methods"), part("training")
    images, labels = jax.ShapeDtypeStruct((1, 300, 64), jnp.float32), jax.ShapeDtypeStruct((1, 300), jnp.int32)
    for method in methods.METHODS.values():
        key = jax.random.split(jax.random.key(0), 1)
        rules = jax.tree.map(lambda number: jnp.full(1, number, jnp.float32), method)
        params = jax.eval_shape(functools.partial(training.initialize, method.model), key)
        optimizer = jax.eval_shape(jax.vmap(lambda rules, params: rules.transform(10).init(params)), rules, params)
        before = training.State(params, optimizer, jax.eval_shape(lambda key: key, key))
        after = jax.eval_shape(functools.partial(training.train_epoch, num_epochs=1), rules, before, images, labels)
        assert jax.tree.structure(before) == jax.tree.structure(after), method.name
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            assert (old.shape, old.dtype) == (new.shape, new.dtype), method.name


def trained(name: str, accuracies: list[float]) -> object:
    """Makes a result of which only the test accuracies count."""
    training = part("training")
    numbers = np.full(len(accuracies), 0.5)
    final = training.Final(numbers, numbers, np.array(accuracies), numbers, np.arange(len(accuracies)), numbers)
    curves = training.Point(*[numbers[None]] * 3)
    return training.Trained(part("methods").METHODS[name], None, [1], curves, final, 1.0)


def test_table_compares_seed_by_seed():
    none, l2 = part("table").rows([trained("none", [0.90, 0.94, 0.95]), trained("l2", [0.91, 0.95, 0.97])])
    assert none["test_accuracy"] == pytest.approx(93)
    # Deviations -3, 1, 2: variance 14 / 2, divided by 3 seeds.
    assert none["test_accuracy_error"] == pytest.approx((7 / 3) ** 0.5)
    # Gains 1, 1, 2: variance (1/9 + 1/9 + 4/9) / 2, divided by 3.
    assert l2["gain"] == pytest.approx(4 / 3)
    assert l2["gain_error"] == pytest.approx(1 / 3)
    assert none["largest_unit_norm"] == 2


@pytest.mark.parametrize(
    ("accuracies", "cell"),
    [
        ([0.91, 0.95, 0.97], "+1.33 ± 0.33 *"),
        ([0.89, 0.93, 0.95], "-0.67 ± 0.33  "),
    ],
)
def test_star_marks_two_standard_errors(accuracies, cell):
    text = part("table").text_table([trained("none", [0.90, 0.94, 0.95]), trained("l2", accuracies)])
    assert f"  {cell}  " in text.splitlines()[5]
    assert " - " in text.splitlines()[4]


def test_one_seed_has_no_standard_error():
    results = [trained("none", [0.9]), trained("dropout", [0.92])]
    assert "+2.00" in part("table").text_table(results)
    assert "±" not in part("table").text_table(results).splitlines()[5]
    fields = list(csv.DictReader(part("table").csv_table(results).splitlines()))[1]
    assert (fields["gain"], fields["gain_error"]) == ("2", "")


def test_averaged_descent_and_proximal_step_solve_the_lasso():
    # minimize 1/2 (x - z)^2 + |x|, whose solution is z shrunk by 1; with gradients that alternate around the true one.
    methods = part("methods")
    z, strength, rate = jnp.array([3.0, 0.9, -2.0]), 1.0, 0.1
    method = methods.Method(
        "lasso", "lasso", proximal=methods.regularizers.l1(strength), optimizer=methods.averaged_descent, peak=rate
    )
    transform = method.transform(10**6)

    def step(carry, sign):
        x, state = carry
        updates, state = transform.update(x - z + 0.3 * sign, state, x)
        return (optax.apply_updates(x, updates), state), None

    x = jnp.ones(3)
    signs = jnp.where(jnp.arange(1000) % 2 == 0, 1.0, -1.0)
    (x, _), _ = jax.lax.scan(step, (x, transform.init(x)), signs)
    np.testing.assert_allclose(x, [2.0, 0.0, -1.0], atol=0.01)
    assert x[1] == 0
