"""Label smoothing, from the formula that PyTorch documents and from loops over rows."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax.losses import smooth_labels

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
LABELS = np.array([2, 0, 3, 1, 3])
WHERE = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 1]], bool)


compiled = jax.jit(smooth_labels, static_argnames=("num_classes", "axis"))


def by_loop(soft, alpha, where):
    """Smooths one row at a time over the list of its valid classes."""
    result = np.zeros_like(soft)
    for row, y, valid in zip(result, soft, where, strict=True):
        classes = [k for k in range(len(y)) if valid[k]]
        for k in classes:
            conditional = y[k] / sum(y[c] for c in classes)
            row[k] = (1 - alpha) * conditional + alpha / len(classes)
    return result


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0, jnp.float32(0.3)], ids=str)
def test_the_formula_for_integer_one_hot_and_soft_labels(alpha):
    one_hot = np.eye(4, dtype=np.float32)[LABELS]
    mixed = (0.3 * one_hot + 0.7 * one_hot[::-1]).astype(np.float32)
    for labels, num_classes, dense in [(LABELS, 4, one_hot), (one_hot, None, one_hot), (mixed, 4, mixed)]:
        smoothed = compiled(labels, alpha, num_classes=num_classes)
        np.testing.assert_allclose(smoothed, (1 - alpha) * dense + np.float32(alpha) / 4, atol=1e-7)
        np.testing.assert_allclose(smoothed, jax.jit(optax.losses.smooth_labels)(dense, alpha), atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_classes_lie_along_the_axis(axis):
    labels = RNG.integers(0, 4, (2, 3))
    expected = np.moveaxis(0.9 * np.eye(4)[labels] + 0.025, -1, axis)
    np.testing.assert_allclose(compiled(labels, 0.1, num_classes=4, axis=axis), expected, atol=1e-6)
    soft = jnp.asarray(np.moveaxis(np.eye(4)[labels], -1, axis), jnp.float32)
    np.testing.assert_allclose(compiled(soft, 0.1, axis=axis), expected, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_rows_sum_to_one_over_the_valid_classes_and_masked_classes_get_nothing(alpha):
    labels = np.array([2, 0, 3, 1, 2])
    soft = RNG.dirichlet(np.ones(4), 5)
    for given, dense in [(labels, np.eye(4)[labels]), (soft.astype(np.float32), soft)]:
        smoothed = np.asarray(compiled(given, alpha, num_classes=4, where=WHERE))
        np.testing.assert_allclose(smoothed.sum(-1), 1, atol=1e-6)
        np.testing.assert_array_equal(smoothed[~WHERE], 0)
        np.testing.assert_allclose(smoothed, by_loop(dense, alpha, WHERE), atol=1e-6)


def test_a_mask_may_be_broadcast():
    shared = np.array([1, 1, 0, 1], bool)
    smoothed = compiled(np.array([0, 3]), 0.3, num_classes=4, where=shared)
    np.testing.assert_allclose(smoothed, [[0.8, 0.1, 0, 0.1], [0.1, 0.1, 0, 0.8]], atol=1e-7)
    columns = compiled(np.array([0, 1]), 0.5, num_classes=2, axis=0, where=np.array([[True, False]]))
    np.testing.assert_allclose(columns, [[0.75, 0], [0.25, 0]], atol=1e-7)


@pytest.mark.parametrize("integer", [True, False])
def test_rows_without_a_label_or_a_valid_class_are_zero_and_contradicted_ones_nan(integer):
    labels = jnp.array([-1, 1, 2])
    given = labels if integer else np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    where = jnp.array([[True] * 3, [False] * 3, [True, True, False]])

    def function(alpha):
        return compiled(given, alpha, num_classes=3, where=where)

    np.testing.assert_array_equal(function(0.1), [[0] * 3, [0] * 3, [np.nan] * 3])
    np.testing.assert_array_equal(jax.jit(jax.jacfwd(function))(0.1)[:2], 0)
    np.testing.assert_array_equal(compiled(given, 0.1, num_classes=3)[0], 0)


def test_a_traced_label_beyond_the_classes_is_nan():
    smoothed = jax.jit(lambda y: compiled(y, 0.1, num_classes=3))(jnp.array([3, 0]))
    np.testing.assert_array_equal(np.isnan(smoothed), [[True] * 3, [False] * 3])


def test_rows_keep_their_sum_and_smoothing_is_linear():
    weighted = jnp.array([[3.0, 1.0], [0.5, 0.0]])
    np.testing.assert_allclose(compiled(weighted, 0.5), [[2.5, 1.5], [0.375, 0.125]])
    jacobian = jax.jit(jax.jacrev(lambda y: compiled(y, 0.4)))(np.zeros(4, np.float32))
    np.testing.assert_allclose(jacobian, 0.6 * np.eye(4) + 0.1, atol=1e-7)


def test_alpha_may_be_mapped_over_and_differentiated():
    alphas = jnp.array([0.0, 0.1, 1.0])
    one_hot = np.eye(4)[LABELS]
    mapped = jax.jit(jax.vmap(lambda alpha: compiled(LABELS, alpha, num_classes=4)))(alphas)
    np.testing.assert_allclose(mapped[1], 0.9 * one_hot + 0.025, atol=1e-7)
    slope = jax.jit(jax.jacfwd(lambda alpha: compiled(LABELS, alpha, num_classes=4)))(0.3)
    np.testing.assert_allclose(slope, 0.25 - one_hot, atol=1e-7)


def test_results_are_float32_or_float64(enable_x64):
    half = jnp.asarray(np.eye(300)[:2], jnp.bfloat16)
    assert compiled(half, 0.1).dtype == jnp.float32
    np.testing.assert_allclose(compiled(half, 0.1).sum(-1), 1, rtol=1e-5)
    assert compiled(np.array([0, 1], np.uint8), 0.1, num_classes=300).dtype == jnp.float32
    assert compiled(np.eye(3), 0.1, where=np.array([True, True, False])).dtype == jnp.float64


@pytest.mark.parametrize(
    ("error", "message", "labels", "arguments"),
    [
        (TypeError, "`labels` must be integers, or probabilities .* got dtype bool", [True, False], {}),
        (TypeError, "`labels` must be integers, or .* got dtype complex64", np.ones(2, np.complex64), {}),
        (TypeError, "`alpha` must be a number", [0, 1], {"alpha": "0.1", "num_classes": 2}),
        (ValueError, r"`alpha` must be in \[0, 1\], got 1.5", [0, 1], {"alpha": 1.5, "num_classes": 2}),
        (ValueError, r"`alpha` must be in \[0, 1\], got nan", [0, 1], {"alpha": float("nan"), "num_classes": 2}),
        (ValueError, "`alpha` must be a scalar", [0, 1], {"alpha": np.ones(2), "num_classes": 2}),
        (ValueError, "`num_classes` must be given for integer labels", [0, 1], {}),
        (TypeError, "`num_classes` must be a Python integer", [0, 1], {"num_classes": 2.0}),
        (ValueError, "`num_classes` must be >= 1, got 0", [0, 1], {"num_classes": 0}),
        (ValueError, "`num_classes` must be 2, .* got 3", [0.0, 1.0], {"num_classes": 3}),
        (ValueError, "`labels` must be below the number of classes, 2, got 2", [0, 2], {"num_classes": 2}),
        (ValueError, "below the number of classes, 2, got 250", np.array([250], np.uint8), {"num_classes": 2}),
        (ValueError, "`labels` must have at least one class along axis 0", np.zeros((0, 2)), {"axis": 0}),
        (ValueError, r"`axis` must be in range for `labels` of shape \(2,\), got 1", [0.0, 1.0], {"axis": 1}),
        (ValueError, r"`axis` must be in range for `labels` of shape \(\), got -1", 0.5, {}),
        (TypeError, r"`axis` must be an integer, got \(0,\)", [0.0, 1.0], {"axis": (0,)}),
        (TypeError, "`axis` must be an integer, got None", [0.0, 1.0], {"axis": None}),
        (TypeError, "`where` must be a boolean array, got dtype int32", [0.0, 1.0], {"where": np.ones(2, np.int32)}),
        (ValueError, r"`where` must broadcast to the shape \(2,\)", [0.0, 1.0], {"where": np.ones(3, bool)}),
        (ValueError, r"`where` must broadcast to the shape \(2,\)", [0.0, 1.0], {"where": np.ones((1, 2), bool)}),
    ],
)
def test_errors(error, message, labels, arguments):
    with pytest.raises(error, match=message):
        smooth_labels(labels, **({"alpha": 0.1} | arguments))
