"""The cost of a training step with the Jacobian penalty, one projection, as a ratio to a plain one.

Beside it stands the same ratio of PyTorch, with the loop of facebookresearch/jacobian_regularizer, where it is
installed.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regjax import sensitivity
from tests.benchmarks.measure import Row, alternate, compare, skipped, spread
from tests.benchmarks.training import Training

STRENGTH = 0.01
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
ASKED = {"MLP": "<= 2.1", "MLP of few inputs": "<= 2.1", "convnet": "<= 2.8"}
Params = list[tuple[jax.Array, jax.Array]]
Shapes = list[tuple[int, ...]]


def mlp(params: Params, x: jax.Array, activation: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Returns the logits of dense layers."""
    for kernel, bias in params[:-1]:
        x = activation(x @ kernel + bias)
    return x @ params[-1][0] + params[-1][1]


def convnet(params: Params, x: jax.Array, activation: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Returns the logits of convolutions with stride 1."""
    for kernel, bias in params[:-1]:
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = activation(x + bias)
    return jnp.mean(x, (1, 2)) @ params[-1][0] + params[-1][1]


def networks(quick: bool) -> dict[str, tuple[Any, Shapes, tuple[int, ...]]]:
    """Returns functions, the shapes of their kernels, and that of their inputs."""
    width, batch, side = (16, 8, 6) if quick else (512, 512, 32)
    hidden = [(width, width), (width, width), (width, 10)]
    convolutions = [(3, 3, 3, 16), (3, 3, 16, 32), (3, 3, 32, 32), (32, 10)]
    if quick:
        hidden, convolutions = hidden[-1:], [convolutions[0], (16, 10)]
    return {
        "MLP": (mlp, [(784, width), *hidden], (batch, 784)),
        "MLP of few inputs": (mlp, [(16, width), *hidden], (batch, 16)),
        "convnet": (convnet, convolutions, (batch // 16 + 1, side, side, 3)),
    }


def initial(shapes: Shapes) -> Params:
    """Returns random kernels and zero biases."""
    initializer = jax.nn.initializers.lecun_normal()
    return [(initializer(jax.random.key(i), shape), jnp.zeros(shape[-1])) for i, shape in enumerate(shapes)]


def trainings(network: Callable[..., jax.Array], params: Params, x: jax.Array) -> tuple[Training, Training]:
    """Returns the step with the penalty, and the plain one."""
    labels = jnp.arange(len(x)) % 10

    def cross_entropy(logits: jax.Array) -> jax.Array:
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))

    def plain(params: Params, x: jax.Array, _: jax.Array) -> jax.Array:
        return cross_entropy(network(params, x))

    def penalized(params: Params, x: jax.Array, key: jax.Array) -> jax.Array:
        def logits_twice(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = network(params, x)
            return logits, logits

        penalty, logits = sensitivity.jacobian_penalty(logits_twice, x, key=key, num_projections=1, has_aux=True)
        return cross_entropy(logits) + STRENGTH / 2 * penalty

    key = jax.random.key(1)
    return Training(penalized, params, x, key), Training(plain, params, x, key)


def torch_steps(
    torch: Any, activation: str, shapes: list[tuple[int, ...]], x_shape: tuple[int, ...]
) -> tuple[Any, Any]:
    """Returns the same two steps in PyTorch."""
    nn, make = torch.nn, {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]
    images = len(x_shape) > 2
    layers = []
    for shape in shapes[:-1]:
        layers += [nn.Conv2d(*shape[2:], 3, padding=1) if images else nn.Linear(*shape), make()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if images else []
    network = nn.Sequential(*layers, nn.Linear(*shapes[-1]))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    x = torch.randn(x_shape[0], x_shape[-1], *x_shape[1:-1]).requires_grad_()
    labels = torch.arange(x_shape[0]) % 10

    def descend(loss: Any) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def plain() -> None:
        descend(nn.functional.cross_entropy(network(x.detach()), labels))

    def penalized() -> None:
        x.grad = None
        logits = network(x)
        directions = nn.functional.normalize(torch.randn(logits.shape), dim=1)
        (product,) = torch.autograd.grad(logits, x, directions, create_graph=True)
        penalty = logits.shape[1] * product.square().sum() / len(x)
        descend(nn.functional.cross_entropy(logits, labels) + STRENGTH / 2 * penalty)

    return penalized, plain


def rows(quick: bool) -> Iterator[Row]:
    """Measures each network with activations that are piecewise linear, and that are not."""
    torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    rounds = 2 if quick else 60
    for kind, (network, shapes, x_shape) in networks(quick).items():
        for activation in ("tanh",) if quick else ACTIVATIONS:
            name = f"Jacobian penalty, one projection, step of {kind} ({activation})"
            applied, x = (
                functools.partial(network, activation=ACTIVATIONS[activation]),
                jax.random.normal(jax.random.key(0), x_shape),
            )
            ours, plain = trainings(applied, initial(shapes), x)
            times = alternate({"ours": ours, "plain": plain}, rounds)
            row = compare(name, times["ours"], times["plain"], "a plain step", ASKED[kind])
            yield row
            # Above 2 where the first layer is larger than the last: a plain step needs no derivative by its input.
            counted = ours.operations / plain.operations
            yield Row(f"{name}: count", ours.operations, plain.operations, "a plain step", counted, unit="op")
            versus = f"{name}: ratio"
            if not torch:
                yield skipped(versus, "PyTorch's", "<= 1")
                continue
            # By themselves: each library's threads go on waiting for work for a while, and would slow the other.
            penalized, bare = torch_steps(torch, activation, shapes, x_shape)
            times = alternate({"penalized": penalized, "plain": bare}, rounds)
            theirs = compare("", times["penalized"], times["plain"], "")
            mine, peer = row.ratio or 0.0, theirs.ratio or 1.0
            each = [mine / (a / b) for a, b in zip(times["penalized"], times["plain"], strict=True)]
            yield Row(versus, mine, peer, "PyTorch's", mine / peer, "<= 1", spread(each), unit="x")
