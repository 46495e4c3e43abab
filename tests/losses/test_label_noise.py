"""Label noise, from the frequencies that it promises and from label smoothing, its mean."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.losses import label_noise, softmax_cross_entropy

pytestmark = pytest.mark.usefixtures("strict_promotion")

COUNT = 240_000


@functools.partial(jax.jit, static_argnames="num_classes")
def _compiled(key, labels, rate, num_classes):
    return label_noise(key, labels, rate, num_classes=num_classes)


def compiled(key, labels, rate, num_classes=4):
    """Returns the noisy labels in a shape that all tests share, and so a compilation."""
    return np.asarray(_compiled(key, np.broadcast_to(labels, COUNT).astype(np.int32), np.float32(rate), num_classes))


def five_sigma(share, count=COUNT):
    return 5 * np.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_frequencies(rate, key):
    noisy = compiled(key, 2, rate)
    for label in range(4):
        share = (1 - rate) * (label == 2) + rate / 4
        assert abs((noisy == label).mean() - share) < five_sigma(share)


def test_labels_are_redrawn_independently_of_each_other_and_of_the_coin(key):
    noisy = compiled(key, 0, 0.5)
    both = ((noisy[::2] == 1) & (noisy[1::2] == 1)).mean()
    assert abs(both - 1 / 64) < five_sigma(1 / 64, COUNT // 2)


def test_the_mean_over_the_noise_is_label_smoothing(key):
    logits = np.tile(np.array([2.0, -1.0, 0.5, 0.0], np.float32), (4, 1))
    loss = jax.jit(lambda alpha: softmax_cross_entropy(logits, np.arange(4), label_smoothing=alpha))
    noisy_losses = np.asarray(loss(0.0), np.float64)[compiled(key, 0, 0.2)]
    assert abs(noisy_losses.mean() - loss(0.2)[0]) < 5 * noisy_losses.std() / np.sqrt(COUNT)


def test_missing_labels_stay(key):
    noisy = compiled(key, np.resize([-1, 3, -100], COUNT), 1.0)
    np.testing.assert_array_equal(noisy[0::3], -1)
    np.testing.assert_array_equal(noisy[2::3], -100)
    assert (noisy[1::3] != 3).any()


def test_rate_zero_is_the_identity(key):
    labels = jnp.arange(6).reshape(2, 3)
    assert label_noise(None, labels, 0.0, num_classes=6) is labels
    many = np.arange(COUNT) % 4
    np.testing.assert_array_equal(compiled(key, many, 0.0), many)


def test_rates_may_be_mapped_over(key):
    mapped = jax.jit(jax.vmap(lambda rate: label_noise(key, jnp.zeros(1000, int), rate, num_classes=2)))
    noisy = mapped(jnp.array([0.0, 1.0]))
    np.testing.assert_array_equal(noisy[0], 0)
    assert abs(noisy[1].mean() - 0.5) < five_sigma(0.5, 1000)


def test_shape_and_dtype_stay_and_every_class_is_reached(key):
    noisy = jax.jit(lambda key: label_noise(key, np.zeros((100, 200), np.uint8), 1.0, num_classes=256))(key)
    assert noisy.shape == (100, 200) and noisy.dtype == jnp.uint8
    assert len(np.unique(noisy)) == 256


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "`labels` must be an integer array, got dtype float32", {"labels": [0.0, 1.0]}),
        (TypeError, "`labels` must be an integer array, got dtype bool", {"labels": [True]}),
        (ValueError, r"`rate` must be in \[0, 1\], got 1.1", {"rate": 1.1}),
        (TypeError, "`num_classes` must be a Python integer, got 2.0", {"num_classes": 2.0}),
        (ValueError, "`num_classes` must be >= 1, got 0", {"num_classes": 0}),
        (
            ValueError,
            "`num_classes` must be at most 256 for labels of dtype uint8, got 300",
            {"labels": np.zeros(2, np.uint8), "num_classes": 300},
        ),
        (ValueError, "`labels` must be below the number of classes, 2, got 5", {"labels": [0, 5]}),
        (TypeError, "`key` must be a PRNG key", {"key": 0}),
    ],
)
def test_errors(error, message, arguments, key):
    with pytest.raises(error, match=message):
        label_noise(**({"key": key, "labels": np.zeros(2, int), "rate": 0.1, "num_classes": 2} | arguments))
