"""Cross-entropy of independent labels, from NumPy in double precision, closed forms and Optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax.losses import sigmoid_cross_entropy, softmax_cross_entropy

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.standard_normal(12).astype(np.float32)
LABELS = np.tile([0, 1, 1], 4)


@jax.jit
def compiled(z, y, alpha, where):
    return sigmoid_cross_entropy(z, y, label_smoothing=alpha, where=where)


@jax.jit
def _derivatives(z, y, alpha, where):
    def function(z, y, where):
        return sigmoid_cross_entropy(z, y, label_smoothing=alpha, where=where)

    def all_of(z, y, where):
        slope = jax.grad(function)
        return function(z, y, where), slope(z, y, where), jax.jacfwd(slope)(z, y, where)

    return jax.vmap(all_of)(z, y, where)


def derivatives(z, y, alpha, where=True):
    """Returns value, first and second derivative of each entry; entries are padded to 12, so one program serves all."""
    z, y = np.asarray(z, np.float32), np.asarray(y, np.float32)
    padded = [np.resize(array, 12) for array in (z, y, np.broadcast_to(where, z.shape))]
    return [np.asarray(result)[: len(z)] for result in _derivatives(*padded[:2], np.float32(alpha), padded[2])]


def by_numpy(z, y, alpha):
    z = np.asarray(z, np.float64)
    q = (1 - alpha) * np.asarray(y, np.float64) + alpha / 2
    return q * np.logaddexp(0, -z) + (1 - q) * np.logaddexp(0, z)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
def test_against_numpy_for_every_kind_of_label(alpha):
    soft = RNG.random(12).astype(np.float32)
    for labels in (LABELS, LABELS.astype(bool), LABELS.astype(np.float32), LABELS.astype(np.uint8), soft):
        expected = by_numpy(LOGITS, labels, alpha)
        np.testing.assert_allclose(compiled(LOGITS, labels, alpha, None), expected, rtol=3e-6, atol=1e-7)


def test_against_optax():
    soft = RNG.random(12).astype(np.float32)
    expected = jax.jit(optax.losses.sigmoid_binary_cross_entropy)(LOGITS, soft)
    np.testing.assert_allclose(compiled(LOGITS, soft, 0.0, None), expected, rtol=1e-6)


def test_it_is_the_softmax_of_two_classes():
    two = np.stack([np.zeros(12, np.float32), LOGITS], -1)
    expected = jax.jit(lambda z: softmax_cross_entropy(z, LABELS, label_smoothing=0.2))(two)
    np.testing.assert_allclose(compiled(LOGITS, LABELS, 0.2, None), expected, rtol=1e-5, atol=1e-6)


def test_the_smallest_loss_is_the_entropy_of_the_smoothed_label():
    q = 0.95
    value, slope, curvature = derivatives([np.log(q / (1 - q))], [1], 0.1)
    np.testing.assert_allclose(value, -q * np.log(q) - (1 - q) * np.log(1 - q), rtol=1e-6)
    np.testing.assert_allclose(slope, 0, atol=1e-7)
    assert curvature[0] > 0


def test_derivatives_in_closed_form():
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    _, slope, curvature = derivatives(LOGITS, LABELS, 0.1)
    np.testing.assert_allclose(slope, p - (0.9 * LABELS + 0.05), atol=1e-6)
    np.testing.assert_allclose(curvature, p * (1 - p), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_large_logits(alpha):
    z, y = [1e4, -1e4, 1e4, -1e4, 30.0, -30.0], [1, 1, 0, 0, 1, 0]
    value, slope, curvature = derivatives(z, y, alpha)
    np.testing.assert_allclose(value, by_numpy(z, y, alpha), rtol=1e-6)
    assert np.isfinite(slope).all() and np.isfinite(curvature).all()


def test_infinite_logits_that_are_right_cost_nothing():
    for result in derivatives([np.inf, -np.inf], [1, 0], 0.0):
        np.testing.assert_array_equal(result, 0)
    value, slope, _ = derivatives([np.inf, -np.inf], [0, 1], 0.0)
    np.testing.assert_array_equal(value, np.inf)
    np.testing.assert_array_equal(slope, [1, -1])


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_ignored_entries_are_exactly_zero_whatever_they_hold(alpha):
    nan = np.nan
    z, y = [nan, np.inf, nan, -np.inf, 0.5], [-1, -1, 1, nan, 1]
    value, slope, curvature = derivatives(z, y, alpha, [True, True, False, False, True])
    for result in (value, slope, curvature):
        np.testing.assert_array_equal(result[:4], 0)
        assert result[4] != 0
    np.testing.assert_array_equal(compiled(np.array([nan, 1], np.float32), np.array([-1, -1]), alpha, None), 0)


def test_nan_is_not_hidden():
    value, _, _ = derivatives([np.nan, 1.0], [1, np.nan], 0.1)
    assert np.isnan(value).all()


def test_a_mask_is_broadcast():
    loss = compiled(np.zeros((3, 4), np.float32), np.ones((3, 4)), 0.0, np.array([1, 0, 1, 1], bool))
    np.testing.assert_allclose(loss, np.tile(np.log(2) * np.array([1, 0, 1, 1]), (3, 1)), rtol=1e-6)


def test_dtypes(enable_x64):
    low = compiled(jnp.asarray(LOGITS, jnp.bfloat16), LABELS, 0.1, None)
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, by_numpy(jnp.asarray(LOGITS, jnp.bfloat16), LABELS, 0.1), rtol=1e-5)
    double = compiled(LOGITS.astype(np.float64), LABELS, 0.1, None)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, by_numpy(LOGITS, LABELS, 0.1), rtol=1e-13)


def test_smoothing_may_be_mapped_over_and_differentiated():
    mapped = jax.jit(jax.vmap(lambda alpha: sigmoid_cross_entropy(LOGITS, LABELS, label_smoothing=alpha)))
    losses = mapped(jnp.array([0.0, 1.0]))
    slope = jax.jit(jax.jacfwd(lambda alpha: sigmoid_cross_entropy(LOGITS, LABELS, label_smoothing=alpha)))(0.3)
    np.testing.assert_allclose(slope, losses[1] - losses[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("error", "message", "labels", "arguments"),
    [
        (TypeError, "`logits` must be a floating array, got dtype int32", [0, 1], {"logits": jnp.zeros(2, int)}),
        (TypeError, "`labels` must be integers, or probabilities", np.ones(2, np.complex64), {}),
        (ValueError, r"`labels` must have the shape \(2,\) of `logits`, got \(3,\)", [0, 1, 1], {}),
        (ValueError, "`labels` must be below the number of classes, 2, got 2", [0, 2], {}),
        (ValueError, r"`label_smoothing` must be in \[0, 1\], got 2", [0, 1], {"label_smoothing": 2}),
        (ValueError, r"`where` must broadcast to the shape \(2,\) of `logits`", [0, 1], {"where": np.ones(3, bool)}),
        (TypeError, "`where` must be a boolean array", [0, 1], {"where": np.ones(2)}),
    ],
)
def test_errors(error, message, labels, arguments):
    with pytest.raises(error, match=message):
        sigmoid_cross_entropy(**({"logits": np.zeros(2, np.float32), "labels": labels} | arguments))


def test_a_traced_label_above_one_shows():
    loss = sigmoid_cross_entropy(jnp.ones(3), jnp.array([7, 1, -1]))
    np.testing.assert_array_equal(jnp.isnan(loss), [True, False, False])
