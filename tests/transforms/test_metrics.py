"""The metrics read from the states of Optax's optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import transforms

GRADIENTS = [jnp.array([0.5, -2.0, 1e-3, 0.0]), jnp.array([-1.5, 0.3, 2e-3, 0.0]), jnp.array([0.7, 1.0, -1e-3, 0.0])]

# An optimizer with learning rate 1 and the metric by which it divides its first moment.
PAIRS = {
    "adam": (optax.adam(1.0, 0.8, 0.9, 1e-3), transforms.adam_metric(b2=0.9, eps=1e-3)),
    "adam, eps in the root": (
        optax.adam(1.0, 0.8, 0.9, 1e-3, 1e-4),
        transforms.adam_metric(b2=0.9, eps=1e-3, eps_root=1e-4),
    ),
    "adamw": (optax.adamw(1.0, 0.8, 0.9, 1e-3, weight_decay=0.0), transforms.adam_metric(b2=0.9, eps=1e-3)),
    "yogi": (optax.yogi(1.0, 0.8, 0.9), transforms.adam_metric(b2=0.9, eps=1e-3)),
    "amsgrad": (optax.amsgrad(1.0, 0.8, 0.9, 1e-3), transforms.amsgrad_metric(eps=1e-3)),
    "adabelief": (optax.adabelief(1.0, 0.8, 0.9, 1e-3, 1e-4), transforms.adabelief_metric(b2=0.9, eps=1e-3)),
    "rmsprop": (optax.rmsprop(1.0, 0.9, 1e-3), transforms.rmsprop_metric(eps=1e-3)),
    "rmsprop, eps outside": (
        optax.rmsprop(1.0, 0.9, 1e-3, eps_in_sqrt=False),
        transforms.rmsprop_metric(eps=1e-3, eps_in_sqrt=False),
    ),
    "rmsprop without bias": (
        optax.rmsprop(1.0, 0.9, 1e-3, bias_correction=True),
        transforms.rmsprop_metric(decay=0.9, eps=1e-3),
    ),
    "adagrad": (optax.adagrad(1.0, 0.1, 1e-3), transforms.adagrad_metric(eps=1e-3)),
    "a chain": (optax.chain(optax.clip(10.0), optax.adam(1.0, 0.8)), transforms.adam_metric()),
    "injected": (optax.inject_hyperparams(optax.adam)(1.0, b1=0.8), transforms.adam_metric()),
}


def first_moment(name, count):
    """What each optimizer divides, in float64."""
    g = np.asarray(GRADIENTS[:count], np.float64)
    if "rmsprop" in name or name == "adagrad":
        return g[-1]
    weights = 0.2 * 0.8 ** np.arange(count)[::-1]
    return weights @ g / weights.sum()


@pytest.mark.parametrize("name", PAIRS)
def test_update_is_the_first_moment_over_the_metric(name):
    tx, metric = PAIRS[name]
    state = tx.init(GRADIENTS[0])
    for count, gradient in enumerate(GRADIENTS, 1):
        updates, state = tx.update(gradient, state, GRADIENTS[0])
        d = metric.diagonal(state)
        assert d.dtype == jnp.float32 and np.all(np.asarray(d) > 0)
        # The moments of Yogi start at 1e-6.
        expected, atol = first_moment(name, count), 5e-6 if name == "yogi" else 1e-7
        np.testing.assert_allclose(-updates * d, expected, rtol=2e-5, atol=atol)


def test_low_precision_moments_give_a_metric_in_float32():
    tx = optax.adam(1.0)
    params = jnp.ones(4, jnp.bfloat16)
    _, state = tx.update(GRADIENTS[0].astype(jnp.bfloat16), tx.init(params), params)
    d = transforms.adam_metric().diagonal(state)
    assert d.dtype == jnp.float32
    np.testing.assert_allclose(d, np.abs(GRADIENTS[0]), rtol=1e-2, atol=1e-7)


def test_second_moments_of_small_gradients_vanish_in_float16():
    params = jnp.ones(2, jnp.float16)
    tx = optax.adam(1.0)
    _, state = tx.update(jnp.array([5e-4, 1.0], jnp.float16), tx.init(params), params)
    np.testing.assert_allclose(transforms.adam_metric().diagonal(state), [1e-8, 1.0], rtol=2e-2)


def test_the_metric_of_adabelief_falls_with_steady_gradients():
    tx, ones = optax.adabelief(1.0), jnp.ones(1)

    @jax.jit
    def metrics(state):
        def step(state, _):
            _, state = tx.update(ones, state, ones)
            return state, transforms.adabelief_metric().diagonal(state)

        return jax.lax.scan(step, state, length=5000)[1]

    d = metrics(tx.init(ones))
    assert d[-1] < 0.05 * d[0]


def test_numbers_may_be_traced():
    tx = optax.adam(1.0, b2=0.9)
    _, state = tx.update(GRADIENTS[0], tx.init(GRADIENTS[0]))
    read = jax.jit(lambda b2, eps: transforms.adam_metric(b2=b2, eps=eps).diagonal(state))
    np.testing.assert_allclose(read(0.9, 0.5), np.abs(GRADIENTS[0]) + 0.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("tx", "found"),
    [(optax.sgd(0.1), 0), (optax.lion(0.1), 0), (optax.chain(optax.adam(0.1), optax.adam(0.1)), 2)],
    ids=["sgd", "lion", "two"],
)
def test_a_state_of_another_optimizer_is_refused(tx, found):
    with pytest.raises(ValueError, match=f"`metric` must find one ScaleByAdamState in the state .*, got {found}"):
        transforms.adam_metric().diagonal(tx.init(jnp.ones(3)))


@pytest.mark.parametrize("function", ["adam_metric", "amsgrad_metric", "adabelief_metric", "rmsprop_metric"])
def test_numbers_are_checked(function):
    with pytest.raises(ValueError, match="`eps` must be finite and >= 0, got -1"):
        getattr(transforms, function)(eps=-1)
    with pytest.raises(ValueError, match="`eps` must be finite and > 0, got 0"):
        transforms.adagrad_metric(eps=0.0)
    with pytest.raises(ValueError, match=r"`b2` must be in \[0, 1\), got 1"):
        transforms.adam_metric(b2=1.0)
    with pytest.raises(TypeError, match="`eps_in_sqrt` must be True or False"):
        transforms.rmsprop_metric(eps_in_sqrt=1)
