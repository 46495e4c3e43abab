"""How do I train on several processes, and is it the same training? `python examples/distributed.py`.

Two processes, as on two machines, read handwritten digits together: each loads its half of every batch, JAX averages
the gradients, and dropout, weight decay, proximal Adam and max-norm are what they are in one process. Nothing of the
model or of the chain knows: the batch is sharded, the parameters are on all devices, and one key gives one mask for
the whole batch, of which each device draws its rows. Under `shard_map`, where functions see a shard alone, the layers
take `axis_name="data"` instead.

The command starts the processes itself, and a third one that trains alone: on two devices, which runs the same program
and has to end with the same parameters bit for bit, and on one device, which adds up gradients in another order, so
that they agree to rounding only. It takes about half a minute on two cores and prints a table.
"""

import argparse
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from sklearn.datasets import load_digits

import regjax
import regjax.linen

BATCH_SIZE = 100
NUM_TRAIN = 1300
LEARNING_RATE = 3e-3
# Both processes are on this machine; on several, this is the address of the first.
HOST = "127.0.0.1"


class Network(nn.Module):
    """A hidden layer with dropout."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        x = nn.relu(nn.Dense(64)(x))
        x = regjax.linen.Dropout(0.3)(x, deterministic=not train)
        return nn.Dense(10)(x)


def optimizer() -> optax.GradientTransformationExtraArgs:
    """Returns Adam with decay, exact zeros in the first kernel, and a bound on the weights of a unit."""
    sparse = regjax.regularizers.l1(2e-4, mask="**/Dense_0/kernel")
    return optax.chain(
        regjax.transforms.proximal_adam(LEARNING_RATE, sparse, weight_decay=1e-2, mask="**/kernel"),
        regjax.transforms.project(regjax.constraints.max_norm(2.0, mask="**/kernel")),
    )


class Trained(NamedTuple):
    """What training comes to.

    Attributes:
      params: the parameters as one vector.
      loss: the mean loss of the last batch.
      accuracy: the percentage of the other images that are classified right.
      zeros: the percentage of the first kernel that is exactly zero.
    """

    params: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    zeros: np.ndarray


def train(devices: Sequence[Any], num_epochs: int) -> Trained:
    """Trains on some devices, of this process or of several that all call this."""
    mesh = Mesh(np.array(devices), ("data",))
    by_rows, everywhere = (NamedSharding(mesh, PartitionSpec(*names)) for names in (("data",), ()))
    model, tx = Network(), optimizer()
    pixels, classes = load_digits(return_X_y=True)
    x, y = (pixels / 16).astype(np.float32), classes.astype(np.int32)

    @jax.jit
    def init() -> Any:
        params = model.init(jax.random.key(0), jnp.zeros((1, 64)), train=False)
        return params, tx.init(params)

    def loss_fn(params: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
        logits = jnp.asarray(model.apply(params, x, train=True, rngs={"dropout": key}))
        return regjax.losses.softmax_cross_entropy(logits, y, label_smoothing=0.1).mean()

    def step(params: Any, state: Any, x: jax.Array, y: jax.Array, number: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(1), number)
        loss, gradients = jax.value_and_grad(loss_fn)(params, x, y, key)
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    def examine(params: Any) -> tuple[Any, jax.Array, jax.Array]:
        logits = jnp.asarray(model.apply(params, x[NUM_TRAIN:], train=False))
        zeros = jnp.mean(params["params"]["Dense_0"]["kernel"] == 0)
        flat = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(params)])
        return flat, 100 * jnp.mean(jnp.argmax(logits, -1) == y[NUM_TRAIN:]), 100 * zeros

    def own_rows(array: np.ndarray, chosen: np.ndarray) -> jax.Array:
        # A process hands over the rows of its own devices; with real data it would not even load the others.
        return jax.make_array_from_callback((len(chosen), *array.shape[1:]), by_rows, lambda at: array[chosen][at])

    params, state = jax.jit(init, out_shardings=everywhere)()
    jit_step = jax.jit(step, out_shardings=everywhere, donate_argnums=(0, 1))
    random, number, loss = np.random.default_rng(0), 0, jnp.zeros(())
    for _ in range(num_epochs):
        for chosen in random.permutation(NUM_TRAIN).reshape(-1, BATCH_SIZE):
            params, state, loss = jit_step(params, state, own_rows(x, chosen), own_rows(y, chosen), np.int32(number))
            number += 1
    flat, accuracy, zeros = jax.jit(examine, out_shardings=everywhere)(params)
    return Trained(*(np.asarray(value.addressable_data(0)) for value in (flat, loss, accuracy, zeros)))


def work(options: argparse.Namespace) -> None:
    """Is what a process does that was started by :func:`main`."""
    if options.processes > 1:
        with contextlib.suppress(AttributeError):  # later versions need not be told
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
        address = f"{HOST}:{options.port}"
        jax.distributed.initialize(address, options.processes, options.process, initialization_timeout=60)
        np.savez(f"{options.out}/{options.process}.npz", **train(jax.devices(), options.epochs)._asdict())
    else:
        for count in (2, 1):
            np.savez(f"{options.out}/alone_{count}.npz", **train(jax.devices()[:count], options.epochs)._asdict())


def main(argv: Sequence[str] | None = None) -> dict[str, Trained]:
    """Starts the processes, waits for them, and compares.

    Args:
      argv: the command line without the name of the program; None means that of the process.

    Returns:
      What each training came to, by name.
    """
    parser = argparse.ArgumentParser("distributed.py", description="Data-parallel training by two processes.")
    parser.add_argument("--epochs", type=int, default=20, help="how often each image is seen")
    parser.add_argument("--time-limit", type=float, default=300, help="seconds until the processes are stopped")
    for name in ("process", "processes", "port"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.process is not None:
        work(options)
        return {}

    with tempfile.TemporaryDirectory() as folder:
        common = [sys.executable, __file__, "--epochs", str(options.epochs), "--out", folder]
        together = [*common, "--processes", "2", "--port", str(_free_port()), "--process"]
        deadline = time.monotonic() + options.time_limit
        _run([[*together, str(i)] for i in range(2)], folder, deadline)
        _run([[*common, "--processes", "1", "--process", "0"]], folder, deadline, num_devices=2)
        names = {"two processes, first": "0", "two processes, second": "1", "one process, two devices": "alone_2"}
        names["one process, one device"] = "alone_1"
        results = {name: Trained(**np.load(pathlib.Path(folder, f"{file}.npz"))) for name, file in names.items()}

    print("                          loss    test accuracy  exact zeros  largest difference of a parameter")
    first = results["two processes, first"].params
    for name, it in results.items():
        difference = np.max(np.abs(it.params - first))
        said = "none, bit for bit" if np.array_equal(it.params, first) else f"{difference:.1e}"
        print(f"{name:24s}  {it.loss:.4f}  {it.accuracy:11.1f} %  {it.zeros:9.1f} %  {said}")
    return results


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def _run(commands: list[list[str]], folder: str, deadline: float, num_devices: int = 1) -> None:
    """Runs the commands at the same time; if one fails or time is up, none of them goes on."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={num_devices}"
    settings = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    processes: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(pathlib.Path(folder, f"{i}.log").open("w+")) for i in range(len(commands))]
        stack.callback(lambda: [process.kill() or process.wait() for process in processes])
        for command, log in zip(commands, logs, strict=True):
            processes.append(subprocess.Popen(command, env=settings, stdout=log, stderr=log))
        codes: list[int | None] = [None]
        while any(code != 0 for code in codes):
            time.sleep(0.05)
            codes = [process.poll() for process in processes]
            for code, log in zip(codes, logs, strict=True):
                if code:
                    log.seek(0)
                    raise SystemExit(f"distributed.py: a process failed with code {code}:\n{log.read()[-3000:]}")
            if time.monotonic() > deadline:
                raise SystemExit("distributed.py: time is up, the processes were stopped")


if __name__ == "__main__":
    main()
