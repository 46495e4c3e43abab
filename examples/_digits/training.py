"""Training of all seeds of a method at once, by one compiled program."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from _digits.data import NUM_PIXELS, NUM_TRAIN, Data
from _digits.methods import FIRST_KERNEL, KERNELS, Method
from _digits.models import MLP, ResidualMLP
from _digits.models import logits as predict
from regjax import diagnostics, masks

BATCH_SIZE = 30
STEPS_PER_EPOCH = NUM_TRAIN // BATCH_SIZE
# How often the curves are measured: often enough to be smooth, seldom enough to be cheap.
CURVE_POINTS = 30


class State(NamedTuple):
    """What training carries from epoch to epoch; every array has a leading axis of runs.

    Attributes:
      params: the parameters.
      optimizer: the state of the optimizer.
      key: the key from which batches and noise are drawn.
    """

    params: Any
    optimizer: Any
    key: jax.Array


class Point(NamedTuple):
    """What is measured along the way, without dropout; arrays `[runs]`."""

    train_loss: Any
    validation_loss: Any
    validation_accuracy: Any


class Final(NamedTuple):
    """What is measured at the end; arrays `[runs]`.

    Attributes:
      noisy_train_loss: cross-entropy of the training images as trained, that is with dropout.
      train_loss: the same without dropout.
      test_accuracy: accuracy on the test images.
      zeros: share of the kernels that is exactly zero.
      unit_norm: largest norm of the weights that enter a unit.
      pixels: how many pixels have a weight that is not zero.
    """

    noisy_train_loss: Any
    train_loss: Any
    test_accuracy: Any
    zeros: Any
    unit_norm: Any
    pixels: Any


class Trained(NamedTuple):
    """A trained method.

    Attributes:
      method: the row of the table.
      params: the parameters, with a leading axis of runs.
      epochs: the epochs at which the curves were measured.
      curves: the curves, arrays `[points, runs]`.
      final: the numbers at the end, arrays `[runs]`.
      seconds: the time it took, compilation included.
    """

    method: Method
    params: Any
    epochs: list[int]
    curves: Point
    final: Final
    seconds: float


def train(method: Method, data: Data, seeds: list[int], *, num_epochs: int, on_epoch: Callable[[], object]) -> Trained:
    """Trains one network for each seed.

    Args:
      method: what to train. Its strengths are numbers, or arrays with one strength for each run.
      data: the images, split for each run.
      seeds: one for each run; it decides on initialization, order of the batches and noise.
      num_epochs: how often every training image is seen.
      on_epoch: called after each epoch.
    """
    start = time.perf_counter()
    # `vmap` needs the axis of runs on everything, strengths included.
    method_of_runs = jax.tree.map(lambda number: jnp.broadcast_to(jnp.float32(number), len(seeds)), method)
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 3))(jnp.asarray(seeds))
    # The rates of dropout have no say in the parameters, so that all models of a kind share one compiled function.
    params = initialize(type(method.model)(), keys[:, 0])
    num_steps = num_epochs * STEPS_PER_EPOCH
    optimizer = jax.vmap(lambda method, params: method.transform(num_steps).init(params))(method_of_runs, params)
    state = State(params, optimizer, keys[:, 1])
    epochs, points = [0], [measure(method.model, state.params, data)]
    interval = -(-num_epochs // CURVE_POINTS)
    for epoch in range(1, num_epochs + 1):
        state = train_epoch(method_of_runs, state, data.train_images, data.train_labels, num_epochs=num_epochs)
        if epoch % interval == 0 or epoch == num_epochs:
            epochs.append(epoch)
            points.append(jax.tree.map(np.asarray, measure(method.model, state.params, data)))
        on_epoch()
    final = jax.tree.map(np.asarray, examine(method.model, state.params, keys[:, 2], data))
    curves = Point(*map(np.stack, zip(*points, strict=True)))
    params = jax.tree.map(np.asarray, state.params)
    return Trained(method, params, epochs, curves, final, time.perf_counter() - start)


@functools.partial(jax.jit, static_argnames="model")
def initialize(model: MLP | ResidualMLP, keys: jax.Array) -> Any:
    """Returns the parameters of a network for each key."""
    image = jnp.zeros((1, NUM_PIXELS))
    return jax.vmap(lambda key: model.init(key, image, deterministic=True)["params"])(keys)


@functools.partial(jax.jit, static_argnames="num_epochs", donate_argnames="state")
def train_epoch(method: Method, state: State, images: jax.Array, labels: jax.Array, *, num_epochs: int) -> State:
    """Sees every training image once, in batches of random order, in all runs."""

    def one_run(method: Method, state: State, images: jax.Array, labels: jax.Array) -> State:
        transform = method.transform(num_epochs * STEPS_PER_EPOCH)
        next_key, order_key, noise_key = jax.random.split(state.key, 3)

        def loss(params: Any, images: jax.Array, labels: jax.Array, key: jax.Array) -> jax.Array:
            value = _cross_entropy(predict(method.model, params, images, key), labels)
            return value if method.penalty is None else value + method.penalty.penalty(params)

        def step(carry: tuple[Any, Any], batch: tuple[jax.Array, jax.Array]) -> tuple[tuple[Any, Any], None]:
            params, optimizer = carry
            chosen, key = batch
            gradients = jax.grad(loss)(params, images[chosen], labels[chosen], key)
            updates, optimizer = transform.update(gradients, optimizer, params)
            return (optax.apply_updates(params, updates), optimizer), None

        order = jax.random.permutation(order_key, NUM_TRAIN).reshape(STEPS_PER_EPOCH, BATCH_SIZE)
        batches = (order, jax.random.split(noise_key, STEPS_PER_EPOCH))
        (params, optimizer), _ = jax.lax.scan(step, (state.params, state.optimizer), batches)
        return State(params, optimizer, next_key)

    return jax.vmap(one_run)(method, state, images, labels)


@functools.partial(jax.jit, static_argnames="model")
def measure(model: MLP | ResidualMLP, params: Any, data: Data) -> Point:
    """Measures what the curves show."""

    def one_run(params: Any, images: jax.Array, labels: jax.Array, *validation: jax.Array) -> Point:
        validation_images, validation_labels = validation
        logits = predict(model, params, validation_images)
        return Point(
            _cross_entropy(predict(model, params, images), labels),
            _cross_entropy(logits, validation_labels),
            _accuracy(logits, validation_labels),
        )

    return jax.vmap(one_run)(params, *data[:4])


@functools.partial(jax.jit, static_argnames="model")
def examine(model: MLP | ResidualMLP, params: Any, keys: jax.Array, data: Data) -> Final:
    """Measures what the table shows; the test images for the first time."""

    def one_run(params: Any, key: jax.Array, images: jax.Array, labels: jax.Array) -> Final:
        kernels = masks.select(KERNELS, params)
        pixels = diagnostics.group_sparsity(masks.select(FIRST_KERNEL, params), axis=1).total
        return Final(
            noisy_train_loss=_cross_entropy(predict(model, params, images, key), labels),
            train_loss=_cross_entropy(predict(model, params, images), labels),
            test_accuracy=_accuracy(predict(model, params, data.test_images), data.test_labels),
            zeros=diagnostics.sparsity(kernels).total["sparsity"],
            unit_norm=diagnostics.norms(kernels).total["max_unit"],
            pixels=pixels["size"] - pixels["zeros"],
        )

    return jax.vmap(one_run)(params, keys, data.train_images, data.train_labels)


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def _accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels)
