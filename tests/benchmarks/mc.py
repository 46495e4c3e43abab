"""MC dropout of a network that has dropout before its last layers only, against one whole pass for each sample."""

import functools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

import regjax.linen
from regjax import stochastic, uncertainty
from tests.benchmarks.measure import Row, alternate, spread

LAYERS, NOISY, SAMPLES = 10, 2, 50
LABEL = f"MC dropout, {SAMPLES} samples"


class Network(nn.Module):
    """Dense layers, with dropout in front of the last ones; or only those that come before any dropout."""

    width: int
    noisy: int = NOISY

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Returns logits, or what the first noisy layer gets."""
        for layer in range(LAYERS - (0 if self.noisy else NOISY)):
            if layer >= LAYERS - self.noisy:
                x = regjax.linen.Dropout(0.5)(x, deterministic=not train)
            x = nn.Dense(self.width)(x)
            if layer < LAYERS - 1:
                x = nn.relu(x)
        return x


def predict(model: Network, batch_size: int | None, num_samples: int) -> Callable[..., Any]:
    """Returns a prediction by many passes as a user writes it."""

    def run(variables: Any, key: jax.Array, x: jax.Array) -> Any:
        one_pass = functools.partial(regjax.linen.mc_apply, model, variables)
        return uncertainty.mc_classify(one_pass, key, x, num_samples=num_samples, batch_size=batch_size)

    return run


def rows(quick: bool) -> Iterator[Row]:
    """Measures the time as a share of what sharing the first layers allows, and the memory as samples are added."""
    width, batch = (16, 8) if quick else (512, 256)
    model, x, key = Network(width), jax.random.normal(jax.random.key(0), (batch, width)), jax.random.key(2)
    variables = model.init(jax.random.key(1), x)

    def compiled(function: Callable[..., Any]) -> Any:
        return jax.jit(function).lower(variables, key, x).compile()

    def first_layers(variables: Any, _: jax.Array, x: jax.Array) -> Any:
        params = {f"Dense_{layer}": variables["params"][f"Dense_{layer}"] for layer in range(LAYERS - NOISY)}
        return Network(width, noisy=0).apply({"params": params}, x)

    def last_layers(variables: Any, key: jax.Array, x: jax.Array) -> Any:
        def add_one(sample: jax.Array, total: jax.Array) -> jax.Array:
            y = x
            for layer in range(LAYERS - NOISY, LAYERS):
                params, own = variables["params"][f"Dense_{layer}"], jax.random.fold_in(key, LAYERS * sample + layer)
                y = stochastic.dropout(own, y, 0.5) @ params["kernel"] + params["bias"]
                y = nn.relu(y) if layer < LAYERS - 1 else nn.softmax(y)
            return total + y

        return jax.lax.fori_loop(0, SAMPLES, add_one, jnp.zeros_like(x))

    sizes = (None, 10)
    programs: dict[Any, Any] = {
        "first layers": compiled(first_layers),
        "last layers": compiled(last_layers),
        "one pass": compiled(lambda v, k, x: jax.nn.softmax(regjax.linen.mc_apply(model, v, k, x))),
        **{size: compiled(predict(model, size, SAMPLES)) for size in sizes},
    }
    times: dict[Any, list[float]] = alternate(
        {n: functools.partial(p, variables, key, x) for n, p in programs.items()}, 2 if quick else 20
    )
    first, last, whole = (statistics.median(times[name]) for name in ("first layers", "last layers", "one pass"))
    # T / (f + T (1 - f)) with f as measured: the share of a pass that comes before its first dropout. Both parts are
    # measured, the second in one program for all samples: a call would cost something each time.
    ideal = first + last
    for size in sizes:
        ours, name = statistics.median(times[size]), f"{LABEL}, {size or 'one'} at a time"
        each = [ideal / time for time in times[size]]
        yield Row(f"{name}: share of the ideal", ours, ideal, "ideal", ideal / ours, ">= 0.8", spread(each))
        passes = SAMPLES * whole
        gains = [time / passes for time in times[size]]
        yield Row(name, ours, passes, f"{SAMPLES} passes", ours / passes, "", spread(gains))
    for size in sizes:
        few, many = (
            compiled(predict(model, size, samples)).memory_analysis().temp_size_in_bytes / 2**20
            for samples in (SAMPLES, 10 * SAMPLES)
        )
        name = f"MC dropout, {size or 'one'} at a time, memory of {10 * SAMPLES} samples"
        yield Row(name, many, few, f"{SAMPLES} samples", many / few, "about 1", unit="MiB")
