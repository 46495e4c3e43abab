"""What the README shows is what runs."""

import functools
import importlib
import pathlib
import pkgutil
import re
import runpy
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits

import regjax
import regjax.nnx

ROOT = pathlib.Path(__file__).parents[1]


def blocks(language):
    parts = (ROOT / "README.md").read_text().split(f"```{language}\n")[1:]
    return [part.split("```")[0].strip() for part in parts]


def test_the_short_code_block_is_the_quickstart_example():
    docstring, code = (ROOT / "examples" / "quickstart.py").read_text().removeprefix('"""').split('"""', 1)
    assert "README" in docstring
    assert code.strip() == blocks("python")[0]


def test_the_quickstart_runs_and_drops_pixels(capsys):
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"))
    printed = capsys.readouterr().out
    accuracy = float(printed.split("test accuracy ")[1].split("%")[0])
    kept = int(printed.split("with ")[1].split(" of 64 pixels")[0])
    assert accuracy > 88
    assert 20 < kept < 60


def test_the_two_commands_are_there():
    assert blocks("sh") == [
        "python3 -m venv .venv && .venv/bin/pip install -e '.[examples]' && .venv/bin/python examples/digits.py",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest",
    ]


def test_every_name_that_the_readme_mentions_exists():
    text = re.sub(r"(?m)^\| (Keras|optax|torchvision) [^|]*", "", (ROOT / "README.md").read_text())
    rooms = "|".join(module.name for module in pkgutil.iter_modules(regjax.__path__) if module.ispkg)
    names = set(re.findall(rf"\b({rooms})\.([A-Za-z_0-9]+)\(?", text))
    assert len(names) > 50
    missing = [
        f"{room}.{name}"
        for room, name in names
        if not hasattr(importlib.import_module(f"regjax.{room}"), name) and not (room == "nnx" and hasattr(nnx, name))
    ]
    assert missing == []


def test_every_technique_is_in_the_table():
    table = (ROOT / "README.md").read_text().split("## Techniques")[1].split("\n## ")[0]
    for room in ("augment", "losses", "penalties", "projections", "pruning", "sensitivity", "stochastic"):
        for name in importlib.import_module(f"regjax.{room}").__all__:
            said = f"`{room}.{name}`" in table or f"`{room}.{name}(" in table
            assert said or name in {"Mixed", "Pruned", "stochastic_depth_rates"}, name
    for name in importlib.import_module("regjax.transforms").__all__:
        assert f"transforms.{name}`" in table or name.endswith("State") or f"`{name}(" in table, name


def block_with(text):
    return next(block for block in blocks("python") if text in block)


def test_one_value_serves_everywhere():
    params = {"params": {"encoder": {"a": {"kernel": jnp.ones((3, 2))}}, "head": {"kernel": jnp.ones((2, 2))}}}
    strengths = jnp.linspace(0.0, 1.0, 4)
    sgd, lr = optax.sgd(0.1), 0.1
    names = {
        "regjax": regjax,
        "optax": optax,
        "jax": jax,
        "params": params,
        "strengths": strengths,
        "sgd": sgd,
        "lr": lr,
    }
    names |= {"data_loss": 0.0, "train": lambda r: r.penalty(params)}
    exec(block_with("weights.penalty(params)"), names)
    np.testing.assert_allclose(names["loss"], 1e-3 * 3 * 2 + 1e-4 / 2 * 4, rtol=1e-5)
    np.testing.assert_allclose(names["swept"], 10 * strengths, rtol=1e-6)
    assert names["tx"].init(params)


def test_the_loop_with_early_stopping_keeps_the_best_parameters():
    x, y, optimizer = jnp.eye(10), jnp.arange(10), optax.sgd(0.5)

    class Model:
        def apply(self, params, x, *, train, rngs=None):
            return x @ params

    model, params = Model(), jnp.zeros((10, 10))
    losses = iter([3.0, 2.0, 1.0] + [1.5] * 20)
    names = {"regjax": regjax, "optax": optax, "jax": jax, "x": x, "y": y, "model": model, "optimizer": optimizer}
    names |= {"params": params, "state": optimizer.init(params), "validation_loss": lambda params: next(losses)}
    exec(block_with("watched = rule.init(params)"), names)
    assert int(names["watched"].best_step) == 2 and int(names["watched"].step) == 13
    assert jnp.all(jnp.diagonal(names["params"]) > 0)


def test_zeros_solve_the_problem_and_leave():
    images, labels = load_digits(return_X_y=True)
    x, y = jnp.asarray(images[:300] / 16, jnp.float32), jnp.asarray(labels[:300])
    keys = jax.random.split(jax.random.key(0))
    kernels = [
        nn.initializers.lecun_normal()(key, shape) for key, shape in zip(keys, [(64, 16), (16, 10)], strict=True)
    ]
    start = {
        "params": {f"Dense_{i}": {"kernel": w, "bias": jnp.zeros(w.shape[1])} for i, w in enumerate(kernels)},
    }

    def logits_of(params, x):
        hidden, out = params["params"]["Dense_0"], params["params"]["Dense_1"]
        return nn.relu(x @ hidden["kernel"] + hidden["bias"][None]) @ out["kernel"] + out["bias"][None]

    @jax.value_and_grad
    def loss(params):
        return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, x), y).mean()

    @functools.partial(jax.jit, static_argnums=0)
    def train(tx, params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(loss(params)[1], state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), length=500)
        return params, loss(params)[1]

    small = types.SimpleNamespace(apply=logits_of)
    names = {"jax": jax, "optax": optax, "regjax": regjax, "train": train, "params": start, "x": x}
    names["model_of_its_size"] = small
    exec(block_with("remove_zero_units"), names)
    assert 0 < len(names["pruned"].inputs) < 64
    np.testing.assert_allclose(names["logits"], logits_of(names["params"], x), atol=1e-4)
    assert regjax.diagnostics.optimality(names["regularizer"], names["params"], names["gradients"]) < 5e-3


def test_the_order_in_a_chain_initializes():
    names = {"regjax": regjax, "optax": optax, "schedule": optax.constant_schedule(0.1)}
    names |= {"penalty": regjax.regularizers.l2(0.1), "regularizer": regjax.regularizers.l1(0.1)}
    names |= {"constraint": regjax.constraints.max_norm(1.0)}
    names |= {"stopping": regjax.stopping.early_stopping(patience=1)}
    exec(block_with("clip_by_global_norm"), names)
    params = {"kernel": jnp.ones((3, 2))}
    updates, _ = names["tx"].update(params, names["tx"].init(params), params, value=1.0)
    assert jnp.all(jnp.linalg.norm(optax.apply_updates(params, updates)["kernel"], axis=0) <= 1.0 + 1e-6)


def test_the_nnx_loop_trains_and_is_uncertain():
    names = {"regjax": regjax, "optax": optax, "jax": jax, "nnx": nnx, "functools": functools}
    names |= {"x": jnp.ones((8, 64)), "y": jnp.arange(8), "rate_schedule": optax.linear_schedule(0.0, 0.5, 10)}
    names |= {"tx": optax.chain(optax.sgd(0.1), regjax.transforms.project(regjax.constraints.max_norm(1.0)))}
    exec(
        block_with("nnx.Optimizer").replace(
            "model.eval()", "before = jax.tree.map(jax.numpy.copy, nnx.state(model, nnx.Param))\nmodel.eval()"
        ),
        names,
    )
    assert names["uncertainty"].probabilities.shape == (8, 10)
    model, optimizer = names["model"], names["optimizer"]
    model.train()
    with jax.numpy_rank_promotion("allow"):
        names["train_step"](model, optimizer, names["x"], names["y"], 3)
    after = nnx.state(model, nnx.Param)
    assert any(not jnp.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (names["before"], after)), strict=True))
