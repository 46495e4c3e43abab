"""The confidence penalty, from NumPy in double precision and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.losses import confidence_penalty

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
LOGITS = 2 * RNG.standard_normal((5, 4)).astype(np.float32)


@functools.partial(jax.jit, static_argnames="axis")
def compiled(z, threshold, where, axis=-1):
    return confidence_penalty(z, threshold=threshold, where=where, axis=axis)


@jax.jit
def derivatives(z, threshold, where):
    """Returns value, gradient and Hessian of each row."""

    def function(z, where):
        return confidence_penalty(z, threshold=threshold, where=where)

    def all_of(z, where):
        return function(z, where), jax.grad(function)(z, where), jax.hessian(function)(z, where)

    return jax.vmap(all_of)(z, where)


def entropies(logits, where):
    """Computes the entropy of each row over the list of its valid classes."""
    result = []
    for z, valid in zip(np.asarray(logits, np.float64), where, strict=True):
        p = np.exp(z[valid]) / np.exp(z[valid]).sum()
        result.append(-(p * np.log(p)).sum())
    return np.array(result)


ALL = np.ones((5, 4), bool)
SOME = (RNG.random((5, 4)) < 0.5) | np.eye(5, 4, dtype=bool) | np.eye(5, 4, -1, dtype=bool)


@pytest.mark.parametrize("where", [None, SOME], ids=["all", "some"])
def test_it_is_minus_the_entropy_or_what_the_entropy_lacks(where):
    entropy = entropies(LOGITS, ALL if where is None else where)
    np.testing.assert_allclose(compiled(LOGITS, None, where), -entropy, rtol=1e-5)
    for threshold in (0.0, 0.6, 2.0):
        expected = np.maximum(0, threshold - entropy)
        np.testing.assert_allclose(compiled(LOGITS, np.float32(threshold), where), expected, rtol=1e-5, atol=1e-6)


def test_gradient_in_closed_form_and_the_hinge():
    p = np.exp(LOGITS.astype(np.float64))
    p /= p.sum(-1, keepdims=True)
    entropy = entropies(LOGITS, ALL)
    expected = p * (np.log(p) + entropy[:, None])
    _, gradient, hessian = derivatives(LOGITS, None, ALL)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    # The Hessian of sum p log p is the derivative of the closed form, along each logit.
    jacobian = p[:, :, None] * (np.eye(4) - p[:, None])
    slope = jacobian * (np.log(p) + entropy[:, None])[:, :, None] + p[..., None] * (
        np.eye(4) - p[:, None] - expected[:, None]
    )
    np.testing.assert_allclose(hessian, slope, atol=2e-6)
    threshold = np.median(entropy)
    _, hinged, _ = derivatives(LOGITS, np.float32(threshold), ALL)
    sure = entropy < threshold
    np.testing.assert_allclose(hinged[sure], expected[sure], atol=1e-6)
    np.testing.assert_array_equal(hinged[entropy > threshold], 0)


def test_the_least_penalty_is_that_of_a_uniform_prediction():
    z = np.full((5, 4), -7.0, np.float32)
    value, gradient, _ = derivatives(z, None, ALL)
    np.testing.assert_allclose(value, -np.log(4), rtol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


@pytest.mark.parametrize("threshold", [None, 0.5], ids=str)
def test_large_and_impossible_logits_and_ignored_rows(threshold):
    nan, inf = np.nan, np.inf
    z = np.array([[1e4, -1e4, 0, 0], [-inf, 0, 0, -inf], [nan, 0, 0, inf], [nan, nan, inf, 0], [1, 2, -3e38, 0]])
    where = ALL.copy()
    where[2] = [False, True, True, False]
    where[3] = False
    value, gradient, hessian = derivatives(z.astype(np.float32), threshold, where)
    entropy = np.array([0, np.log(2), np.log(2), 0, entropies([[1, 2, 0]], ALL[:1, :3])[0]])
    expected = -entropy if threshold is None else np.maximum(0, threshold - entropy)
    expected[3] = 0
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
    assert np.isfinite(gradient).all() and np.isfinite(hessian).all()
    np.testing.assert_array_equal(np.asarray(gradient)[~where], 0)
    np.testing.assert_array_equal(gradient[3], 0)


def test_rounding_makes_no_entropy_negative():
    z = RNG.uniform(0, 25, (1000, 4)).astype(np.float32)
    assert compiled(z, None, None).max() <= 0


def test_axis_and_dtypes(enable_x64):
    expected = -entropies(LOGITS, ALL)
    np.testing.assert_allclose(compiled(LOGITS.T.copy(), None, None, axis=0), expected, rtol=1e-5)
    double = compiled(LOGITS.astype(np.float64), np.float32(0.6), None)
    assert double.dtype == jnp.float64
    low = compiled(jnp.asarray(LOGITS, jnp.bfloat16), None, None)
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, -entropies(jnp.asarray(LOGITS, jnp.bfloat16), ALL), rtol=1e-5)


def test_nan_is_not_hidden():
    assert jnp.isnan(compiled(np.array([[np.nan, 0.0]], np.float32), None, None))[0]


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "`logits` must be a floating array", {"logits": np.zeros((2, 3), int)}),
        (ValueError, "`threshold` must be >= 0, got -1", {"threshold": -1}),
        (TypeError, "`threshold` must be a number", {"threshold": "high"}),
        (ValueError, "`axis` must be in range for `logits`", {"axis": 2}),
        (ValueError, "`logits` must have at least one class", {"logits": np.zeros((2, 0))}),
        (ValueError, "`where` must broadcast", {"where": np.ones(2, bool)}),
    ],
)
def test_errors(error, message, arguments):
    with pytest.raises(error, match=message):
        confidence_penalty(**({"logits": np.zeros((2, 3), np.float32)} | arguments))
