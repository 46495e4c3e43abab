"""What all passes share is computed once, and the numbers stay those of separate passes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from regjax import stochastic
from regjax.uncertainty import mc_classify, mc_regress, mc_samples

LAYERS = 6


def network(key, kernels, x, *, noisy=2):
    """Applies layers, the last of them after dropout, with a bias and a scale that are Python numbers."""
    for layer, kernel in enumerate(kernels):
        if layer >= len(kernels) - noisy:
            x = stochastic.dropout(jax.random.fold_in(key, layer), x, 0.5)
        x = jnp.tanh(1.1 * (x @ kernel) + jnp.full((1, kernel.shape[1]), 0.1, x.dtype))
    return x


@pytest.fixture(scope="module")
def kernels():
    return [jax.random.normal(jax.random.key(i), (5, 5)) for i in range(LAYERS)]


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(9), (3, 5))


def loops(jaxpr):
    """Returns the scans in a jaxpr, those in functions of `jax.jit` included."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            found.append(equation)
        elif equation.primitive.name in ("jit", "pjit"):
            found += loops(equation.params["jaxpr"].jaxpr)
    return found


def in_the_loop(predict, fn, *args, **options):
    """Returns the text and the inputs of the one loop of a prediction."""
    run = functools.partial(predict, fn, num_samples=7, **options)
    (loop,) = loops(jax.make_jaxpr(run)(jax.random.key(0), *args).jaxpr)
    return str(loop.params["jaxpr"]), [variable.aval for variable in loop.invars]


@pytest.mark.parametrize("predict", [mc_samples, mc_regress, mc_classify])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_only_what_depends_on_the_key_is_in_the_loop(predict, batch_size, kernels, x):
    text, _ = in_the_loop(predict, network, kernels, x, batch_size=batch_size)
    assert text.count("dot_general") == 2


def test_nothing_is_shared_of_a_network_that_is_noisy_from_the_start(kernels, x):
    text, _ = in_the_loop(mc_samples, functools.partial(network, noisy=LAYERS), kernels, x)
    assert text.count("dot_general") == LAYERS


def test_a_network_inside_jit_is_shared_too(kernels, x):
    text, _ = in_the_loop(mc_samples, jax.jit(network), kernels, x)
    assert text.count("dot_general") == 2
    # The arrays may be known to the inner function alone.
    text, _ = in_the_loop(mc_samples, jax.jit(lambda key: network(key, kernels, x)))
    assert text.count("dot_general") == 2


def test_a_jit_with_shardings_is_left_whole(kernels, x):
    sharding = NamedSharding(Mesh(jax.devices()[:1], "d"), PartitionSpec())
    text, _ = in_the_loop(mc_samples, jax.jit(network, out_shardings=sharding), kernels, x)
    assert text.count("dot_general") == LAYERS


def test_what_is_merely_broadcast_is_not_kept_for_the_loop(x):
    def fn(key, bias):
        return jnp.broadcast_to(bias, (1000, 3, 5)) + jax.random.normal(key, (1000, 3, 5)) + x[None]

    _, inputs = in_the_loop(mc_samples, fn, jnp.ones(5))
    assert max(aval.size for aval in inputs) < 1000


@pytest.mark.parametrize("enable_x64", [False, True])
def test_samples_are_those_of_separate_passes(enable_x64, kernels, x):
    with jax.enable_x64(enable_x64) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(enable_x64):
        key = jax.random.key(4)
        samples = mc_samples(network, key, kernels, x, num_samples=3)
        passes = [network(jax.random.fold_in(key, t), kernels, x) for t in range(3)]
    assert samples.dtype == jnp.float32
    np.testing.assert_allclose(samples, np.stack(passes), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("derivative", [jax.grad, jax.jacfwd])
def test_derivatives_are_those_of_separate_passes(derivative, kernels, x):
    def shared(kernels, key):
        return jnp.sum(mc_regress(network, key, kernels, x, num_samples=3, batch_size=2).variance)

    def separate(kernels, key):
        keys = [jax.random.fold_in(key, t) for t in range(3)]
        return jnp.sum(jnp.var(jnp.stack([network(k, kernels, x) for k in keys]), axis=0))

    ours, wanted = (jax.jit(derivative(f))(kernels, jax.random.key(5)) for f in (shared, separate))
    for a, b in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_what_is_shared_is_computed_once(kernels, x):
    def total(kernels, key):
        return jnp.sum(mc_regress(network, key, kernels, x, num_samples=7).mean)

    found = loops(jax.make_jaxpr(jax.grad(total))(kernels, jax.random.key(0)).jaxpr)
    # Of the last two layers: forward, forward again, and both gradients of each.
    assert sum(str(loop.params["jaxpr"]).count("dot_general") for loop in found) <= 2 + 2 + 4


def test_effects_are_those_of_all_passes(x):
    calls = []

    def fn(key, x):
        jax.debug.callback(lambda y: calls.append(float(y)), x.sum())
        return x + jax.random.normal(key, x.shape)

    jax.block_until_ready(jax.jit(functools.partial(mc_samples, fn, num_samples=5))(jax.random.key(0), x))
    jax.effects_barrier()
    np.testing.assert_allclose(calls, [float(x.sum())] * 5, rtol=1e-5)


def test_a_pass_is_traced_once(x):
    traces = []

    def fn(key, x):
        traces.append(None)
        return x + jax.random.normal(key, x.shape)

    mc_classify(fn, jax.random.key(0), x, num_samples=5, batch_size=2)
    assert len(traces) == 1


def test_a_result_without_noise_is_repeated(x):
    samples = mc_samples(lambda key, x: (x, jnp.zeros(3), jax.random.normal(key)), jax.random.key(0), x, num_samples=4)
    np.testing.assert_array_equal(samples[0], np.broadcast_to(x, (4, 3, 5)))
    np.testing.assert_array_equal(samples[1], np.zeros((4, 3)))
