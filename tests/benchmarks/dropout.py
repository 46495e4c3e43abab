"""The cost of dropout, beside a multiplication by a number and beside Flax's layer."""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from regjax import stochastic
from tests.benchmarks.measure import Row, alternate, compare

RATE = 0.2
Array = jax.Array
Function = Callable[[Array, Array], Array]


def copy(key: Array, x: Array) -> Array:
    """What dropout amounts to in memory: every element is read, scaled and written."""
    del key
    return x * jnp.asarray(1 / (1 - RATE), x.dtype)


def flax(key: Array, x: Array) -> Array:
    """Dropout of Flax."""
    return nn.Dropout(RATE, deterministic=False).apply({}, x, rng=key)


def ours(key: Array, x: Array, **options: Any) -> Array:
    """Dropout of ours."""
    return stochastic.dropout(key, x, RATE, **options)


OPTIONS: dict[str, Function] = {
    "bits=16": functools.partial(ours, bits=16),
    "bits=8": functools.partial(ours, bits=8),
    "recompute": functools.partial(ours, recompute=True),
}


def backward(function: Function) -> Function:
    """Returns the gradient of the sum of squares, which goes forward and backward."""
    return lambda key, x: jax.grad(lambda x: jnp.square(function(key, x)).sum())(x)


def passes(shape: tuple[int, ...], dtype: Any, quick: bool) -> Iterator[Row]:
    """Measures one layer, forward alone and with its gradient."""
    key, x = jax.random.key(0), jax.random.normal(jax.random.key(1), shape).astype(dtype)
    asked = "<= 1.7" if dtype == jnp.float32 else "<= 2.4"
    for direction, transform in (("forward", lambda function: function), ("forward + backward", backward)):
        functions = {"copy": copy, "ours": ours, "flax": flax, **OPTIONS}
        candidates = {
            name: functools.partial(jax.jit(transform(function)), key, x) for name, function in functions.items()
        }
        times = alternate(candidates, 2 if quick else 12)
        title = f"dropout {direction}, {shape} {jnp.dtype(dtype).name}"
        yield compare(title, times["ours"], times["copy"], "x * c", asked)
        yield compare(title, times["ours"], times["flax"], "Flax", "<= 0.143")
        for name in OPTIONS:
            yield compare(
                f"{title}, {name}", times[name], times["copy"], "x * c", "aim 1.25" if name == "bits=8" else ""
            )


def network(dropout: Function | None, width: int, depth: int = 6) -> tuple[Callable[..., Any], Any]:
    """Returns a training step of an MLP with a layer of dropout after each of its layers, and its parameters."""
    keys = jax.random.split(jax.random.key(2), depth)
    params = [jax.random.normal(key, (width, width)) * (2 / width) ** 0.5 for key in keys]

    def loss(params: Any, key: Array, x: Array) -> Array:
        for index, kernel in enumerate(params):
            x = jax.nn.relu(x @ kernel)
            x = dropout(jax.random.fold_in(key, index), x) if dropout else x
        return jnp.square(x).mean()

    def step(params: Any, key: Array, x: Array) -> Any:
        return jax.tree.map(lambda w, g: w - 1e-3 * g, params, jax.grad(loss)(params, key, x))

    return step, params


def training(quick: bool) -> Iterator[Row]:
    """Measures the training step of a network."""
    width, batch = (16, 8) if quick else (512, 256)
    key, x = jax.random.key(0), jax.random.normal(jax.random.key(1), (batch, width))
    candidates = {}
    for name, dropout in {"without": None, "ours": ours, "flax": flax}.items():
        step, params = network(dropout, width)
        candidates[name] = functools.partial(jax.jit(step), params, key, x)
    times = alternate(candidates, 2 if quick else 150)
    title = f"training step with dropout, 6 x {width}, batch {batch}"
    yield compare(title, times["ours"], times["without"], "without", "<= 1.05")
    yield compare(title, times["ours"], times["flax"], "Flax", "<= 1")


def compilation(quick: bool) -> Iterator[Row]:
    """Measures how long a training step of many layers takes to trace and compile."""
    depth = 2 if quick else 24
    times: dict[str, list[float]] = {"ours": [], "flax": []}
    shapes = jax.ShapeDtypeStruct((32, 64), jnp.float32)
    for _ in range(1 if quick else 5):
        for name, dropout in {"ours": ours, "flax": flax}.items():
            jax.clear_caches()
            step, params = network(dropout, 64, depth)
            start = time.perf_counter()
            jax.jit(step).lower(params, jax.random.key(0), shapes).compile()
            times[name].append(time.perf_counter() - start)
    yield compare(f"tracing and compiling {depth} layers with dropout", times["ours"], times["flax"], "Flax", "<= 1.2")


def kept(function: Function) -> float:
    """Returns the bytes for each element that the forward pass of a stack of layers keeps for its backward pass."""
    depth, x = 3, jax.ShapeDtypeStruct((256, 256), jnp.float32)

    def stack(x: Array, keys: Array) -> Array:
        return jax.lax.scan(lambda x, key: (function(key, x), None), x, keys)[0].sum()

    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), depth))
    jaxpr = jax.make_jaxpr(jax.grad(stack))(x, keys)
    forward = next(eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan")
    stacked = [var.aval for var in forward.outvars if var.aval.shape[:1] == (depth,)]
    return sum(aval.size * aval.dtype.itemsize for aval in stacked) / (depth * x.size)


def rows(quick: bool) -> Iterator[Row]:
    """Measures passes, a training step, compilation and what is kept."""
    for shape in [(64, 64)] if quick else [(4096, 4096), (8192, 4096)]:
        for dtype in (jnp.float32, jnp.bfloat16):
            yield from passes(shape, dtype, quick)
    yield from training(quick)
    yield from compilation(quick)
    theirs = kept(flax)
    for name, function in {"dropout": ours, "dropout, recompute": OPTIONS["recompute"]}.items():
        bytes_kept = kept(function)
        asked = "<= 1" if name == "dropout" else "== 0"
        ratio = bytes_kept / theirs
        yield Row(
            f"kept for the backward pass by {name}", bytes_kept, theirs, "Flax", ratio, asked, None, "bytes/element"
        )
