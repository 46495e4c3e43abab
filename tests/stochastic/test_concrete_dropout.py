"""Concrete dropout, from the formulas of the paper in float64, and the rate that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special

from regjax.stochastic import concrete_dropout, concrete_dropout_penalty

pytestmark = pytest.mark.usefixtures("strict_promotion")


def drop(x, logit, **options):
    """Drops by the same bits in every call."""
    return concrete_dropout(jax.random.key(0), x, logit, **options)


def weights(u, logit, temperature):
    """Returns what entries are multiplied by, as the paper says it."""
    p = special.expit(logit)
    z = special.expit((np.log(p) - np.log1p(-p) + np.log(u) - np.log1p(-u)) / temperature)
    return (1 - z) / (1 - p)


def uniform_of(y, logit):
    """Solves the formula at temperature 1 and `x = 1` for the uniform numbers."""
    kept = np.asarray(y, np.float64) * (1 - special.expit(logit))
    return special.expit(special.logit(1 - kept) - logit)


@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.5])
def test_the_formula_of_the_paper(logit):
    run = jax.jit(functools.partial(drop, jnp.ones(20_000)))
    u = np.sort(uniform_of(run(logit, temperature=1.0), logit))
    # The statistic of Kolmogorov and Smirnov, which exceeds this once in 100,000 tries.
    assert abs(u - (np.arange(u.size) + 0.5) / u.size).max() < 2.5 / np.sqrt(u.size)
    order = np.argsort(run(logit, temperature=1.0))[::-1]
    for temperature in (0.1, 0.5):
        y = np.asarray(run(logit, temperature=temperature))[order]
        np.testing.assert_allclose(y, weights(u, logit, temperature), rtol=5e-3, atol=2e-3)


def test_for_a_small_temperature_it_is_dropout():
    y = np.asarray(drop(jnp.full(20_000, 3.0), special.logit(0.3), temperature=1e-4))
    hard = (abs(y) < 1e-6) | (abs(y - 3 / 0.7) < 1e-5)
    assert hard.mean() > 0.999
    assert abs((y < 1).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / y.size)


@pytest.mark.usefixtures("enable_x64")
def test_derivatives_are_those_of_the_formula():
    x = jnp.linspace(-1.0, 2.0, 50)
    u = uniform_of(jax.jit(lambda x: drop(x, 0.0, temperature=1.0))(jnp.ones(50)), 0.0)

    @jax.jit
    def derivatives(logit):
        def total(logit):
            return jnp.sin(drop(x, logit, temperature=0.5)).sum()

        forward = jax.jvp(total, (logit,), (jnp.ones_like(logit),))[1]
        return jax.grad(total)(logit), forward, jax.grad(jax.grad(total))(logit)

    def wanted(logit):
        return np.sin(np.asarray(x) * weights(u, logit, 0.5)).sum()

    h = 1e-3
    for logit in (-12.0, -2.0, 0.0, 3.0, 12.0):
        far, near = (wanted(logit + step) - wanted(logit - step) for step in (2 * h, h))
        curvature = (wanted(logit + h) - 2 * wanted(logit) + wanted(logit - h)) / h**2
        reverse, forward, second = derivatives(logit)
        np.testing.assert_allclose([reverse, forward], (8 * near - far) / (12 * h), rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(second, curvature, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)
def test_rates_next_to_zero_and_one_are_exact(dtype):
    x = jnp.linspace(-2.0, 2.0, 200).astype(dtype)

    @jax.jit
    def run(logit):
        def function(logit):
            return drop(x, logit)

        def total(logit):
            return function(logit).sum()

        return *jax.jvp(function, (logit,), (jnp.ones_like(logit),)), jax.hessian(total)(logit)

    # At a rate of e-13, entries are kept and divided by 1 - p; at 1 - e-13, they are dropped.
    for logit, wanted in ((-30.0, x), (-80.0, x), (30.0, 0 * x), (80.0, 0 * x), (1e4, 0 * x), (-1e4, x)):
        y, slope, curvature = run(jnp.float32(logit))
        assert y.dtype == dtype
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(slope.astype(jnp.float32), 0, atol=1e-6)
        assert np.isfinite(curvature)


def test_jit_vmap_dtypes_and_shapes():
    x = jnp.linspace(-2.0, 2.0, 24).reshape(4, 3, 2)
    traces = []

    @jax.jit
    def run(x, logit, temperature):
        traces.append(None)
        return drop(x, logit, temperature=temperature)

    for logit, temperature in ((-1.0, 0.1), (0.5, 0.3)):
        wanted = drop(x, logit, temperature=temperature)
        np.testing.assert_allclose(run(x, logit, temperature), wanted, rtol=1e-5, atol=1e-6)
    assert len(traces) == 1
    logits = jnp.array([-1.0, 0.5, 2.0])
    mapped = jax.jit(jax.vmap(lambda logit: drop(x, logit, temperature=0.3)))(logits)
    np.testing.assert_allclose(mapped[1], wanted, rtol=1e-5, atol=1e-6)
    assert drop(jnp.ones((0, 3)), 0).shape == (0, 3)
    assert jax.eval_shape(drop, jnp.ones(3), jnp.bfloat16(0.5)).dtype == jnp.float32
    assert jax.eval_shape(lambda x: drop(x, np.float64(0.5)), jnp.ones(3, jnp.float16)).dtype == jnp.float16


def test_channels_can_be_dropped_whole(key):
    y = np.asarray(jax.jit(lambda x: concrete_dropout(key, x, 0.0, broadcast_dims=(1, 2)))(jnp.ones((5, 4, 4, 8))))
    assert (y == y[:, :1, :1]).all()
    assert len(np.unique(y[:, 0, 0])) > 20


def penalty_of(w, logit, features, weight_strength, entropy_strength):
    p = special.expit(logit)
    entropy = -(special.xlogy(p, p) + special.xlogy(1 - p, 1 - p))
    return weight_strength * (w**2).sum() / (1 - p) - entropy_strength * features * entropy


def test_the_penalty_of_the_paper():
    kernel = np.array([[0.5, -2.0, 0.0], [1.0, 0.3, 4.0]])
    strengths = {"weight_strength": 0.01, "entropy_strength": 0.7}
    wanted = functools.partial(penalty_of, kernel, features=6, **strengths)

    def function(tree, logit):
        return concrete_dropout_penalty(tree, logit, num_features=6, **strengths)

    run = jax.jit(jax.value_and_grad(function, argnums=(0, 1)))
    curvature = jax.jit(jax.hessian(function, argnums=1))
    weights = jnp.asarray(kernel, jnp.float32)
    # Trees, low precision, and leaves that do not count.
    tree = {"a": jnp.asarray(kernel[:1], jnp.bfloat16), "b": weights[1:], "step": jnp.arange(3)}
    for logit in (-30.0, -2.0, 0.0, 2.0, 15.0):
        value, (by_weight, by_logit) = run(weights, logit)
        slope = (wanted(logit + 1e-5) - wanted(logit - 1e-5)) / 2e-5
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, wanted(logit), rtol=1e-5, atol=1e-10)
        np.testing.assert_allclose(by_logit, slope, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(by_weight, 0.02 * kernel * (1 + np.exp(logit)), rtol=1e-5)
        assert np.isfinite(curvature(weights, logit))
        np.testing.assert_allclose(function(tree, jnp.bfloat16(logit)), wanted(logit), rtol=1e-2)


def test_far_out_the_penalty_pulls_back():
    slope = jax.jit(jax.grad(lambda logit: concrete_dropout_penalty(jnp.ones(3), logit, num_features=3)))
    assert slope(60.0) > 0
    assert slope(-60.0) <= 0
    assert np.isfinite([slope(60.0), slope(-60.0), slope(-1e4)]).all()


@pytest.mark.usefixtures("enable_x64")
def test_the_penalty_in_double_precision():
    w = np.linspace(-1, 1, 5)
    got = concrete_dropout_penalty(jnp.asarray(w), 0.3, num_features=5)
    assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, penalty_of(w, 0.3, 5, 1e-6, 1e-5), rtol=1e-12)
    assert concrete_dropout_penalty(jnp.asarray(w, jnp.float32), 0.3, num_features=5).dtype == jnp.float32


def test_the_learned_rate_is_the_best_one_and_falls_with_the_number_of_examples(key):
    # One weight of 1 whose output should be 1: dropout costs E (w - 1)^2, and the penalty rewards its entropy.
    examples = np.array([2.0, 8.0, 40.0])
    strengths = 4 / examples

    def loss(logit, key, strength):
        noise = jnp.square(concrete_dropout(key, jnp.ones(2000), logit) - 1).mean()
        return noise + concrete_dropout_penalty(
            jnp.ones(1), logit, num_features=1, weight_strength=0.05 * strength, entropy_strength=strength
        )

    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, 400))

    @jax.jit
    @jax.vmap
    def learn(strength):
        def step(carry, key):
            logit, state = carry
            updates, state = optimizer.update(jax.grad(loss)(logit, key, strength), state)
            return (optax.apply_updates(logit, updates), state), None

        logit = jnp.float32(special.logit(0.1))
        return jax.lax.scan(step, (logit, optimizer.init(logit)), jax.random.split(key, 400))[0][0]

    with jax.numpy_dtype_promotion("standard"):  # which Optax needs
        rates = special.expit(np.asarray(learn(jnp.asarray(strengths, jnp.float32))))
    # The same by quadrature, over all rates.
    logits, u = np.linspace(-9, 2, 1101), (np.arange(4000) + 0.5) / 4000
    noise = np.array([((weights(u, logit, 0.1) - 1) ** 2).mean() for logit in logits])
    best = []
    for strength in strengths:
        objective = noise + [penalty_of(np.ones(1), logit, 1, 0.05 * strength, strength) for logit in logits]
        best.append(special.expit(logits[np.argmin(objective)]))
    np.testing.assert_allclose(rates, best, atol=0.02)
    assert (np.diff(rates) < -0.03).all()


def test_arguments_are_checked(key):
    x = jnp.ones((4, 3))
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype int32"):
        concrete_dropout(key, jnp.ones(3, jnp.int32), 0.0)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        concrete_dropout(0, x, 0.0)
    with pytest.raises(ValueError, match="`key` must be a single PRNG key"):
        concrete_dropout(jax.random.split(key, 2), x, 0.0)
    for bad in (np.inf, -np.inf, np.nan):
        with pytest.raises(ValueError, match="`rate_logit` must be finite, got"):
            concrete_dropout(key, x, bad)
        with pytest.raises(ValueError, match="`rate_logit` must be finite, got"):
            concrete_dropout_penalty(x, bad, num_features=3)
    with pytest.raises(ValueError, match="`rate_logit` must be a scalar, got shape"):
        concrete_dropout(key, x, jnp.zeros(3))
    with pytest.raises(TypeError, match="`rate_logit` must be a number or a scalar array, got '0'"):
        concrete_dropout(key, x, "0")
    with pytest.raises(ValueError, match="`temperature` must be finite and > 0, got 0"):
        concrete_dropout(key, x, 0.0, temperature=0)
    with pytest.raises(ValueError, match="`broadcast_dims` must be in range for `x` of shape"):
        concrete_dropout(key, x, 0.0, broadcast_dims=(2,))
    with pytest.raises(ValueError, match="`num_features` must be >= 1, got 0"):
        concrete_dropout_penalty(x, 0.0, num_features=0)
    for name in ("weight_strength", "entropy_strength"):
        with pytest.raises(ValueError, match=f"`{name}` must be finite and >= 0, got -1"):
            concrete_dropout_penalty(x, 0.0, num_features=3, **{name: -1})
