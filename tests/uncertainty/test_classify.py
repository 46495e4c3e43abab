import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import uncertainty
from regjax.uncertainty import mc_classify, mc_samples

MEASURES = ["predictive_entropy", "expected_entropy", "mutual_information", "variation_ratio"]


def noisy_logits(key, x):
    return 3 * x + 2 * jax.random.normal(key, x.shape)


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 4)), jnp.float32)


@pytest.fixture(scope="module")
def twelve_samples(x):
    """The probabilities of the first passes, which are also those of fewer passes."""
    run = jax.jit(functools.partial(mc_samples, noisy_logits, num_samples=12))
    return softmax(run(jax.random.key(0), x))


def softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def entropy(p):
    return -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=-1)


def dropout_network(key, params, x):
    hidden = jax.nn.relu(x @ params[0])
    return jnp.where(jax.random.bernoulli(key, 0.5, hidden.shape), 2 * hidden, 0) @ params[1]


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize(("num_samples", "batch_size"), [(11, None), (11, 4), (11, 64), (1, 4), (12, 4)])
def test_streams_what_the_measures_say_of_all_samples(num_samples, batch_size, twelve_samples, x, key):
    fn = functools.partial(mc_classify, noisy_logits, num_samples=num_samples, batch_size=batch_size)
    result = jax.jit(fn)(key, x)
    samples = twelve_samples[:num_samples]
    np.testing.assert_allclose(result.probabilities, samples.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(result.predictive_entropy, entropy(samples.mean(0)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.expected_entropy, entropy(samples).mean(0), rtol=1e-5, atol=1e-6)
    stacked = jax.jit(lambda p: [getattr(uncertainty, name)(p) for name in MEASURES])(samples.astype(np.float32))
    for name, expected in zip(MEASURES, stacked, strict=True):
        np.testing.assert_allclose(getattr(result, name), expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert all(leaf.dtype == jnp.float32 for leaf in result)
    assert np.all(result.mutual_information >= 0)
    assert np.all(result.mutual_information <= np.log(4))


def test_passes_that_agree_carry_no_information(x, key):
    # The mean of equal samples is that sample: no error builds up, where a sum of 50,000 numbers is off by 1e-4.
    run = functools.partial(mc_classify, lambda _, x: x, num_samples=50_000, batch_size=7)
    result = jax.jit(run)(key, x)
    np.testing.assert_allclose(result.mutual_information, np.zeros((2, 5)), atol=3e-7)
    np.testing.assert_array_equal(result.variation_ratio, np.zeros((2, 5)))
    np.testing.assert_allclose(result.probabilities, softmax(x), rtol=1e-6)


def test_low_precision_logits_are_accumulated_in_float32(key):
    def fn(key, x):
        return (x + jax.random.normal(key, x.shape)).astype(jnp.bfloat16)

    result, samples = (
        jax.jit(functools.partial(run, fn, num_samples=3000, batch_size=500))(key, jnp.zeros(3))
        for run in (mc_classify, mc_samples)
    )
    samples = softmax(samples.astype(jnp.float32))
    assert result.probabilities.dtype == jnp.float32
    np.testing.assert_allclose(result.probabilities, samples.mean(0), rtol=1e-5)


@pytest.mark.parametrize("from_logits", [True, False])
def test_classes_ruled_out(from_logits, key):
    def fn(key, scale):
        logits = jnp.array([-jnp.inf, 0.0, 1.0]) * 1.0 + scale * jax.random.normal(key, (3,))
        return logits if from_logits else jax.nn.softmax(logits)

    def total(scale):
        result = mc_classify(fn, key, scale, num_samples=5, batch_size=2, from_logits=from_logits)
        return sum(leaf.sum() for leaf in result[1:]), result

    (_, result), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(1.0)
    assert float(result.probabilities[0]) == 0
    assert all(np.all(np.isfinite(leaf)) for leaf in result)
    assert np.isfinite(gradient)
    samples = jax.jit(functools.partial(mc_samples, fn, num_samples=5))(key, 1.0)
    samples = softmax(samples) if from_logits else np.asarray(samples)
    np.testing.assert_allclose(result.probabilities, samples.mean(0), rtol=1e-5)


def test_gradient_is_that_of_the_stacked_samples(key):
    x = jnp.array([0.3, -0.2, 0.5])

    def streamed(x, batch_size):
        result = mc_classify(noisy_logits, key, x, num_samples=5, batch_size=batch_size)
        return result.mutual_information + result.probabilities[0] + result.expected_entropy

    def stacked(x):
        p = jax.nn.softmax(mc_samples(noisy_logits, key, x, num_samples=5))
        information, expected = uncertainty.mutual_information(p), uncertainty.expected_entropy(p)
        return information + p.mean(0)[0] + expected

    runs = [stacked, *(functools.partial(streamed, batch_size=batch_size) for batch_size in (None, 2))]
    with jax.debug_key_reuse(False):  # the same draws three times
        expected, *gradients = jax.jit(lambda x: [jax.grad(run)(x) for run in runs])(x)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_vmap_over_keys_and_rbg():
    x = jnp.array([0.3, -0.2, 0.5])
    run = jax.jit(functools.partial(mc_classify, noisy_logits, num_samples=4, batch_size=3))
    keys = jax.random.split(jax.random.key(1), 2)
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, x)
    np.testing.assert_allclose(mapped.mutual_information[1], run(keys[1], x).mutual_information, rtol=1e-5)
    rbg = run(jax.random.key(1, impl="rbg"), x)
    assert float(rbg.mutual_information) > 0


@pytest.fixture(scope="module")
def temporary_bytes():
    params = [jnp.ones((16, 256)) / 16, jnp.ones((256, 3))]

    def measure(num_samples, batch_size, differentiate=False):
        run = functools.partial(mc_classify, dropout_network, num_samples=num_samples, batch_size=batch_size)
        if differentiate:
            run = jax.grad(lambda key, params, x, run=run: run(key, params, x).mutual_information.sum(), argnums=1)
        compiled = jax.jit(run).lower(jax.random.key(0), params, jnp.ones((64, 16))).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    return measure


@pytest.mark.parametrize("batch_size", [None, 4])
def test_memory_does_not_grow_with_the_number_of_samples(batch_size, temporary_bytes):
    assert temporary_bytes(10, batch_size) == temporary_bytes(1000, batch_size)


def test_memory_of_gradients_does_not_hold_the_activations_of_all_samples(temporary_bytes):
    activations_of_one = 64 * 256 * 4
    growth = temporary_bytes(1000, 5, differentiate=True) - temporary_bytes(10, 5, differentiate=True)
    assert growth < 0.01 * 990 * activations_of_one


@pytest.mark.parametrize(
    ("fn", "error", "message"),
    [
        (lambda _: jnp.zeros((2, 3), jnp.int32), TypeError, "must be a floating array, got dtype int32"),
        (lambda _: (jnp.zeros(3), jnp.zeros(3)), TypeError, "must return one array, got"),
        (lambda _: jnp.zeros(()), ValueError, r"must have the classes in its last axis, got shape \(\)"),
        (lambda _: jnp.zeros((2, 0)), ValueError, r"must have the classes in its last axis, got shape \(2, 0\)"),
    ],
)
def test_refuses_what_is_no_array_of_classes(fn, error, message, key):
    with pytest.raises(error, match=r"`fn\(key, \*args\)` " + message):
        mc_classify(fn, key, num_samples=2)


def test_refuses_a_flag_that_is_none(key):
    with pytest.raises(TypeError, match="`from_logits` must be True or False, got 1"):
        mc_classify(noisy_logits, key, jnp.zeros(3), num_samples=2, from_logits=1)
