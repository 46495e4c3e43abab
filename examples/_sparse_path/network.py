"""A network on the digits whose pixels are groups: as many networks as strengths, in one program."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import data

import regjax

LEARNING_RATE = 0.02
# How large a weight of the second layer may be.
LIMIT = 0.5
Lane = tuple[Any, optax.OptState]


class Network(nn.Module):
    """One hidden layer.

    Attributes:
      num_units: its size.
    """

    num_units: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        hidden = nn.relu(nn.Dense(self.num_units, name="first")(images))
        return nn.Dense(data.NUM_CLASSES, name="last")(hidden)


class Trained(NamedTuple):
    """What each strength leads to.

    Attributes:
      strengths: `[strengths]`, growing.
      norms: those of the weights that leave each pixel, `[strengths, 64]`.
      pixels: how many pixels are kept, `[strengths]`.
      accuracy: on the test images, `[strengths]`.
      optimality: how far all but the limited kernel is from a minimum, `[strengths]`.
    """

    strengths: np.ndarray
    norms: np.ndarray
    pixels: np.ndarray
    accuracy: np.ndarray
    optimality: np.ndarray


def pixels_as_groups(strength: jax.Array) -> regjax.regularizers.Regularizer:
    """Returns the penalty: a group is a row of the first kernel; biases and the last layer match nothing."""
    return regjax.regularizers.group_lasso(strength, axis=1, mask="first/kernel")


def optimizer(strength: jax.Array, num_steps: int) -> optax.GradientTransformation:
    """Returns Adam with the group lasso in its metric, and a limit for the last kernel.

    Without the limit the last kernel could grow while the first shrinks, which changes the penalty and not the network.
    """
    # Warmed up, because the first steps of Adam are long, and could set to zero what is needed.
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, num_steps // 10, num_steps)
    limit = regjax.constraints.box(-LIMIT, LIMIT, mask="last/kernel")
    return optax.chain(
        regjax.transforms.proximal_adam(schedule, pixels_as_groups(strength)), regjax.transforms.project(limit)
    )


def logits(params: Any, images: jax.Array) -> jax.Array:
    """Runs a network."""
    return jnp.asarray(Network(params["last"]["kernel"].shape[0]).apply({"params": params}, images))


def loss(params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns the cross-entropy, without the penalty."""
    return regjax.losses.softmax_cross_entropy(logits(params, images), labels).mean()


@functools.partial(jax.jit, static_argnames=("num_units", "num_steps", "on_step"))
def train(
    strengths: jax.Array,
    images: jax.Array,
    labels: jax.Array,
    *,
    num_units: int,
    num_steps: int,
    on_step: Callable[[], object],
) -> Any:
    """Trains a network for each strength, on all images at once; they begin alike.

    All of it is one program, from the first parameters to the last, which calls back at each step.
    """

    def start(strength: jax.Array) -> Lane:
        params = Network(num_units).init(jax.random.key(0), images[:1])["params"]
        return params, optimizer(strength, num_steps).init(params)

    def step(lane: Lane, strength: jax.Array) -> Lane:
        params, state = lane
        gradients = jax.grad(loss)(params, images, labels)
        updates, state = optimizer(strength, num_steps).update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    def tell(_: jax.Array) -> None:
        on_step()

    def step_all(lanes: Lane, _: None) -> tuple[Lane, None]:
        lanes = jax.vmap(step)(lanes, strengths)
        # What is handed over makes it wait for the step.
        jax.debug.callback(tell, lanes[0]["last"]["bias"][0, 0])
        return lanes, None

    return jax.lax.scan(step_all, jax.vmap(start)(strengths), length=num_steps)[0][0]


@jax.jit
def examine(strengths: jax.Array, params: Any, images: data.Data) -> tuple[jax.Array, ...]:
    """Measures all networks; the test images for the first time."""

    def one(strength: jax.Array, params: Any) -> tuple[jax.Array, ...]:
        kernel = params["first"]["kernel"]
        groups = regjax.diagnostics.group_sparsity({"kernel": kernel}, axis=1).total
        right = jnp.argmax(logits(params, images.test_images), axis=-1) == images.test_labels
        gradients = jax.grad(loss)(params, *everything(images))
        # At its limit the last kernel may have a gradient; None does not count.
        gradients["last"]["kernel"] = None
        residual = regjax.diagnostics.optimality(pixels_as_groups(strength), params, gradients)
        norms = jnp.linalg.norm(kernel, axis=1)
        return norms, groups["size"] - groups["zeros"], jnp.mean(right), residual

    return jax.vmap(one)(strengths, params)


def path(
    strengths: np.ndarray, images: data.Data, *, num_units: int, num_steps: int, on_step: Callable[[], object]
) -> Trained:
    """Trains and measures.

    Args:
      strengths: those of the group lasso, one for each network.
      images: the digits.
      num_units: the size of the hidden layer.
      num_steps: steps of training.
      on_step: called after each.
    """
    params = train(strengths, *everything(images), num_units=num_units, num_steps=num_steps, on_step=on_step)
    measured = map(np.asarray, examine(strengths, params, images))
    jax.effects_barrier()
    return Trained(strengths, *measured)


def everything(images: data.Data) -> tuple[jax.Array, jax.Array]:
    """Returns the 800 images and labels that are not for the test, of the first split."""
    return (
        jnp.concatenate([images.train_images[0], images.validation_images[0]]),
        jnp.concatenate([images.train_labels[0], images.validation_labels[0]]),
    )
