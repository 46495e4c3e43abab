"""Every short script does what its docstring promises, on a small run."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image


def run(name, folder=None, **small):
    script = importlib.import_module(name)
    result = script.main(**small) if folder is None else script.main(**small, folder=folder / "made")
    if folder is not None:
        assert np.std(image.imread(folder / "made" / f"{name}.png")[..., :3]) > 0.05
    return script, result


def test_weight_decay_mask(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.import_module("weight_decay_mask"), "DECAYS", np.array([0, 10], np.float32))
    _, results = run("weight_decay_mask", tmp_path, num_steps=100)
    untouched = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("params/") and "decay" not in line
    ]
    assert [line.split()[0] for line in untouched] == [
        *(f"params/Dense_{i}/bias" for i in range(3)),
        *(f"params/LayerNorm_{i}/{leaf}" for i in range(2) for leaf in ("bias", "scale")),
    ]
    (weights, weights_scale), (everything, everything_scale) = results.values()
    # Without decay the masks make no difference; with it only one of them moves the norms towards zero.
    np.testing.assert_allclose(weights[0], everything[0], atol=1)
    np.testing.assert_allclose(weights_scale[0], everything_scale[0], rtol=1e-3)
    assert weights_scale[1] > 1 and everything_scale[1] < 0.3
    assert weights.min() > 80


def test_l1_zeros(tmp_path, capsys):
    _, solutions = run("l1_zeros", tmp_path, num_steps=1000)
    reference = solutions.pop("scikit-learn")
    assert np.sum(reference == 0) == 42
    for name, w in solutions.items():
        if "proximal" in name:
            np.testing.assert_array_equal(w == 0, reference == 0)
            np.testing.assert_allclose(w, reference, atol=2e-3)
        else:
            assert np.all(w != 0)
    assert len([line for line in capsys.readouterr().out.splitlines() if " 42  " in line]) == 3


def test_max_norm_convnet(tmp_path, capsys):
    _, norms = run("max_norm_convnet", tmp_path, num_steps=30, bound=0.8)
    assert norms["max-norm"].shape == norms["without a bound"].shape == (30,)
    assert norms["max-norm"].max() <= 0.8 * (1 + 1e-6)
    assert norms["without a bound"][-1] > 1
    assert "axis='auto'" in capsys.readouterr().out


def test_mc_dropout_batchnorm(tmp_path, capsys):
    script, result = run("mc_dropout_batchnorm", tmp_path, num_steps=60, num_samples=20)
    assert set(result["before"]) == {"params", "batch_stats"}
    moved = [
        np.asarray(a).tobytes() != np.asarray(b).tobytes()
        for a, b in zip(jax.tree.leaves(result["before"]), jax.tree.leaves(result["after"]), strict=True)
    ]
    assert not any(moved)
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(result["before"]["batch_stats"]["BatchNorm_0"]["mean"]))
    means = {name: values.mean() for name, values in result["information"].items()}
    assert means["digits"] < means["digits with noise"] < means["photographs"]
    assert "bit for bit: True" in capsys.readouterr().out
    squares = script.photographs()
    assert squares.shape == (96, 64) and squares.min() == 0 and squares.max() == 1


@pytest.mark.slow  # three programs to compile
def test_stochastic_depth_transformer(tmp_path, capsys):
    _, milliseconds = run("stochastic_depth_transformer", tmp_path, depth=2, num_steps=3, max_rate=0.5)
    assert list(milliseconds) == ["none", "row", "subset"] and min(milliseconds.values()) > 0
    assert "rates of the layers: 0.00, 0.50" in capsys.readouterr().out


def test_nnx_loop(capsys):
    _, result = run("nnx_loop", num_epochs=30, patience=2)
    watched = result["watched"]
    assert bool(watched.should_stop) and int(watched.step) == int(watched.best_step) + 3
    assert result["restored"] == watched.best_metric
    assert result["norm"] <= 2 * (1 + 1e-6)
    sure, unsure = result["sure"]
    assert sure < unsure
    assert "decoupled_weight_decay" in capsys.readouterr().out


def test_sweep_vmap(tmp_path, capsys, monkeypatch):
    script = importlib.import_module("sweep_vmap")
    monkeypatch.setattr(script, "STRENGTHS", np.array([1e-5, 1e-3, 1e-1], np.float32))
    monkeypatch.setattr(script, "RATES", np.array([0, 0.5], np.float32))
    _, losses = run("sweep_vmap", tmp_path, num_steps=100)
    assert losses.shape == (2, 3) and "6 networks" in capsys.readouterr().out
    assert len(np.unique(losses)) == 6
    assert np.all(losses[:, 2] > losses[:, 1])


def test_restore_best(tmp_path, capsys):
    _, (watched, curve, restored) = run("restore_best", tmp_path, num_epochs=30, patience=3)
    best, stopped = int(watched.best_step), int(watched.step)
    assert bool(watched.should_stop) and best < stopped < 30
    # The curve up to the stop has its minimum where the parameters were taken, and they give that loss again.
    assert np.argmin(curve[:stopped]) == best
    assert restored == pytest.approx(float(curve[best]), rel=1e-6)
    assert watched.best_metric == curve[best]
    assert f"training stops after epoch {stopped}" in capsys.readouterr().out


def test_checkpoint_resume(capsys):
    _, (whole, resumed) = run("checkpoint_resume", num_steps=12, killed_at=8, save_every=5)
    said = capsys.readouterr().out
    assert "resumed at step 5" in said and "bit for bit: True" in said
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        assert jnp.array_equal(a, b)
