"""What trains survives a checkpoint: states, modules, and a training that is killed between two steps."""

import os
import signal
import subprocess
import sys

import chex
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint
from flax import nnx

import regjax.nnx
from regjax import stopping, transforms
from tests.cases import TRANSFORMS, tree
from tests.transforms.test_common import gradients


def states():
    """The state of each transformation after a step, and that of early stopping."""
    result = {}
    for name, make in TRANSFORMS.items():
        tx = make()
        result[name] = jax.jit(tx.update)(gradients(), tx.init(tree()), tree())[1]
    rule = stopping.early_stopping(patience=3, keep_best=True)
    result["early_stopping"] = rule.update(rule.init(tree()), 0.5, tree())
    frozen = transforms.freeze_when_stopped(rule)
    result["freeze_when_stopped"] = frozen.update(gradients(), frozen.init(tree()), tree(), value=0.5)[1]
    multi = optax.MultiSteps(TRANSFORMS["proximal_adam"](), 2)
    result["accumulated"] = multi.update(gradients(), multi.init(tree()), tree())[1]
    return result


def test_states_go_through_orbax_and_flax(tmp_path):
    before = states()
    empty = jax.tree.map(jnp.zeros_like, before)
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "states", before)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "states", empty)
    packed = flax.serialization.from_bytes(empty, flax.serialization.to_bytes(before))
    for after in (restored, packed):
        chex.assert_trees_all_equal_structs(after, before)
        chex.assert_trees_all_equal(after, before)
        chex.assert_trees_all_equal_shapes_and_dtypes(jax.tree.map(jnp.asarray, after), before)


class Network(nnx.Module):
    """Every module that has state: parameters, statistics, and streams of random numbers."""

    def __init__(self, rngs):
        self.linear = nnx.Linear(6, 8, rngs=rngs)
        self.norm = regjax.nnx.GhostBatchNorm(8, virtual_batch_size=4, rngs=rngs)
        self.dropout = regjax.nnx.Dropout(0.5, rngs=rngs)
        self.concrete = regjax.nnx.ConcreteDropout(rngs=rngs)
        self.masks = regjax.nnx.Masksembles(4, 2.0)
        self.block = regjax.nnx.ResidualBlock(nnx.Linear(8, 8, rngs=rngs), 0.5, mode="batch", rngs=rngs)

    def __call__(self, x):
        return self.block(self.masks(self.concrete(self.dropout(self.norm(self.linear(x))))))


def test_modules_go_through_orbax_and_go_on_with_their_random_numbers(tmp_path):
    x = jnp.linspace(-1.0, 1.0, 48).reshape(8, 6)
    model = Network(nnx.Rngs(0))
    model(x)  # moves the streams and the statistics
    # Keys are stored as numbers, by the recipe of NNX.
    before = jax.tree.map(numbers, nnx.to_pure_dict(nnx.state(model)))
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "model", before)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "model", jax.tree.map(jnp.zeros_like, before))
    other = Network(nnx.Rngs(1))
    graph, state = nnx.split(other)
    wrapped = jax.tree.map(lambda old, new: keys_again(old, new), nnx.to_pure_dict(state), restored)
    nnx.replace_by_pure_dict(state, wrapped)
    other = nnx.merge(graph, state)
    np.testing.assert_array_equal(other(x), model(x))


def numbers(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def keys_again(old, new):
    return jax.random.wrap_key_data(new) if jnp.issubdtype(old.dtype, jax.dtypes.prng_key) else new


PROGRAM = """
import sys
import jax, jax.numpy as jnp, numpy as np, optax, orbax.checkpoint
import regjax

folder, num_steps = sys.argv[1], int(sys.argv[2])
x = jnp.asarray(np.random.default_rng(0).normal(size=(16, 6)), jnp.float32)
rule = regjax.stopping.early_stopping(patience=50, keep_best=True)
tx = optax.chain(
    regjax.transforms.proximal_adam(0.01, regjax.regularizers.l1(1e-2, mask="w")),
    regjax.transforms.freeze_when_stopped(rule),
)

@jax.jit
def train_step(params, state, step):
    key = jax.random.fold_in(jax.random.key(1), step)
    def loss(params):
        hidden = regjax.stochastic.dropout(key, jnp.tanh(x @ params["w"]), 0.5)
        return jnp.mean(jnp.square(hidden @ params["v"] - x[:, 0]))
    value, gradients = jax.value_and_grad(loss)(params)
    updates, state = tx.update(gradients, state, params, value=value)
    return optax.apply_updates(params, updates), state

params = {"w": jnp.cos(jnp.arange(48.0)).reshape(6, 8), "v": jnp.sin(jnp.arange(8.0))}
start = {"params": params, "state": tx.init(params)}
with orbax.checkpoint.CheckpointManager(folder) as manager:
    latest = manager.latest_step()
    if latest is not None:
        start = manager.restore(latest, args=orbax.checkpoint.args.StandardRestore(start))
    params, state = start["params"], start["state"]
    for step in range(-1 if latest is None else latest, num_steps - 1):
        params, state = train_step(params, state, step + 1)
        saved = {"params": params, "state": state}
        manager.save(step + 1, args=orbax.checkpoint.args.StandardSave(saved))
        manager.wait_until_finished()
        print(step + 1, flush=True)
"""


def restore(folder):
    with orbax.checkpoint.CheckpointManager(folder) as manager:
        return manager.restore(manager.latest_step(), args=orbax.checkpoint.args.StandardRestore())


def test_a_training_killed_at_a_random_step_goes_on_bit_for_bit(tmp_path):
    steps = 12
    killed_at = int(np.random.default_rng().integers(1, steps - 1))
    command = [sys.executable, "-c", PROGRAM]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}

    def run(folder):
        return subprocess.Popen(
            [*command, str(tmp_path / folder), str(steps)], stdout=subprocess.PIPE, text=True, env=environment
        )

    whole, broken = run("whole"), run("broken")
    for line in broken.stdout:
        if int(line) == killed_at:
            broken.send_signal(signal.SIGKILL)
            break
    broken.communicate()
    assert broken.returncode == -signal.SIGKILL
    resumed = run("broken")
    first = resumed.communicate(timeout=120)[0].split()[0]
    assert killed_at < int(first) <= killed_at + 2, "it began again, or a step was lost"
    assert whole.communicate(timeout=120)[0].split()[-1] == str(steps - 1)
    assert whole.returncode == resumed.returncode == 0
    chex.assert_trees_all_equal(restore(tmp_path / "broken"), restore(tmp_path / "whole"))
