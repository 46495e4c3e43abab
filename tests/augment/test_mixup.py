"""Mixup, from its formula, the Beta distribution of SciPy and counts of its partners."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from regjax.augment import mixup

KEYS = 6000
ALL = np.ones(6, bool)


def batch(size=6):
    x = np.random.default_rng(0).standard_normal((size, 3, 2)).astype(np.float32)
    return x, np.arange(size) % 3


@jax.jit
def many(alpha, where):
    """Mixes one batch with many keys."""
    x, labels = batch()
    x = jnp.where(where[:, None, None], x, jnp.nan)
    keys = jax.random.split(jax.random.key(0), KEYS)
    return jax.vmap(lambda key: mixup(key, x, labels, alpha, num_classes=3, where=where))(keys)


def reference(values, weight, partner):
    values, weight = np.asarray(values, np.float64), np.asarray(weight, np.float64)
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    return weight * values + (1 - weight) * values[np.asarray(partner)]


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("per_example", [True, False])
def test_inputs_and_targets_of_all_kinds_follow_the_formula(per_example):
    x, labels = batch()
    inputs = {"a": x, "b": (x[:, 0, 0],), "low": [jnp.asarray(x, dtype) for dtype in (jnp.bfloat16, jnp.float16)]}
    targets = {
        "labels": labels,
        "uint8": labels.astype(np.uint8),
        "dense": np.stack([labels, labels[::-1]], 1),
        "none": np.full(6, -1),
        "soft": np.eye(3, dtype=np.float32)[labels],
        "regression": x[:, 0] * 2,
    }
    run = jax.jit(lambda key, x, y: mixup(key, x, y, 0.7, per_example=per_example, num_classes=3))
    mixed = run(jax.random.key(0), inputs, targets)
    how = mixed.weight, mixed.partner
    np.testing.assert_allclose(mixed.x["a"], reference(x, *how), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.x["b"][0], reference(x[:, 0, 0], *how), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.y["labels"], reference(np.eye(3)[labels], *how), atol=1e-6)
    np.testing.assert_allclose(mixed.y["regression"], reference(x[:, 0] * 2, *how), rtol=1e-5, atol=1e-6)
    for same in ("uint8", "soft"):
        np.testing.assert_array_equal(mixed.y[same], mixed.y["labels"])
    np.testing.assert_array_equal(mixed.y["dense"][:, 0], mixed.y["labels"])
    np.testing.assert_array_equal(mixed.y["none"], np.zeros((6, 3)))
    assert {leaf.dtype for leaf in jax.tree.leaves(mixed.y)} == {jnp.dtype(jnp.float32)}
    # Low precision is mixed in float32 and rounded once.
    assert mixed.weight.dtype == jnp.float32
    for low, before in zip(mixed.x["low"], inputs["low"], strict=True):
        assert low.dtype == before.dtype
        error = np.abs(np.asarray(low, np.float64) - reference(before, *how))
        assert np.all(error <= 0.501 * jnp.finfo(low.dtype).eps * np.maximum(np.abs(reference(before, *how)), 1e-3))
    assert mixed.weight.shape == (6,)
    assert len(np.unique(mixed.weight)) == (6 if per_example else 1)


def test_losses_can_be_mixed_instead_of_targets():
    x, labels = batch()

    @jax.jit
    def both(key):
        loss, logits, y = optax.softmax_cross_entropy_with_integer_labels, x[:, :, 0], jnp.asarray(labels)
        plain = mixup(key, x, None, 0.7)
        assert plain.y is None
        losses = plain.weight * loss(logits, y) + (1 - plain.weight) * loss(logits, y[plain.partner])
        return losses, optax.softmax_cross_entropy(logits, mixup(key, x, y, 0.7, num_classes=3).y)

    with jax.debug_key_reuse(False):
        np.testing.assert_allclose(*both(jax.random.key(0)), rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0, 200.0])
def test_the_weights_have_the_distribution_of_the_larger_share(alpha):
    weight = np.asarray(many(alpha, ALL).weight, np.float64)
    assert weight.min() >= 0.5
    assert len(np.unique(weight, axis=1)[0]) == 6
    law = stats.beta(alpha, alpha)
    for level in (0.05, 0.2, 0.5, 0.8, 0.95):
        # The smaller share is below t with probability 2 F(t).
        t = law.ppf(level / 2)
        if t > 1e-6:
            assert abs(np.mean(1 - weight < t) - level) < 5 * np.sqrt(level * (1 - level) / weight.size), level
    squares = 4 * (weight - 0.5) ** 2
    assert abs(squares.mean() - 1 / (2 * alpha + 1)) < 5 * squares.std() / np.sqrt(weight.size)
    # One draw for each example, so that neighbors are not correlated.
    correlation = np.corrcoef(weight[:, 0], weight[:, 1])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(KEYS)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_partners_follow_every_cycle_equally_often(size):
    partner = np.asarray(many(1.0, np.arange(6) < size).partner)[:, :size]
    cycles = set()
    for rest in itertools.permutations(range(1, size)):
        order = (0, *rest)
        cycles.add(tuple(order[(order.index(i) + 1) % size] for i in range(size)))
    found, counts = np.unique(partner, axis=0, return_counts=True)
    assert set(map(tuple, found.tolist())) == cycles
    p = 1 / len(cycles)
    assert np.all(np.abs(counts - KEYS * p) <= 5 * np.sqrt(KEYS * p * (1 - p)))


def test_one_cycle_goes_through_a_whole_large_batch():
    size = 3000
    partner = np.asarray(jax.jit(lambda key: mixup(key, jnp.zeros(size), None, 1.0).partner)(jax.random.key(0)))
    seen, place = 1, partner[0]
    while place != 0:
        seen, place = seen + 1, partner[place]
    assert seen == size
    # Distances along the batch are uniform.
    distance = (partner - np.arange(size)) % size / size
    assert abs(distance.mean() - 0.5) < 5 * np.sqrt(1 / 12 / size)


@pytest.mark.parametrize("alpha", [0.0, 1e-45, 1e-38, 1e-30, 1e-12])
def test_alpha_near_zero_approaches_the_identity(alpha):
    x, labels = batch()
    mixed = many(alpha, ALL)
    np.testing.assert_array_equal(mixed.x, np.broadcast_to(x, mixed.x.shape))
    np.testing.assert_array_equal(mixed.y, np.broadcast_to(np.eye(3)[labels], mixed.y.shape))
    np.testing.assert_array_equal(mixed.weight, 1)


@pytest.mark.parametrize("alpha", [1e6, 3e38])
def test_large_alphas_share_equally(alpha):
    np.testing.assert_allclose(many(alpha, ALL).weight, 0.5, atol=5e-3)


def test_only_the_examples_of_the_mask_are_mixed():
    _, labels = batch()
    where = np.array([1, 0, 1, 1, 0, 1], bool)
    mixed = many(1.0, where)
    np.testing.assert_array_equal(mixed.x[:, ~where], np.nan)
    np.testing.assert_array_equal(mixed.y[:, ~where], np.broadcast_to(np.eye(3)[labels[~where]], (KEYS, 2, 3)))
    np.testing.assert_array_equal(mixed.weight[:, ~where], 1)
    np.testing.assert_array_equal(mixed.partner[:, ~where], np.broadcast_to(np.flatnonzero(~where), (KEYS, 2)))
    assert bool(jnp.isfinite(mixed.x[:, where]).all())
    # Each of the three others is as likely.
    counts = np.bincount(np.asarray(mixed.partner[:, 3]), minlength=6)
    np.testing.assert_array_equal(counts[[1, 3, 4]], 0)
    assert np.all(np.abs(counts[[0, 2, 5]] - KEYS / 3) < 5 * np.sqrt(KEYS * 2 / 9))


@pytest.mark.parametrize("real", [0, 1])
def test_too_few_real_examples_stay_as_they_are(real):
    x, labels = batch()
    mixed = many(1.0, np.arange(6) < real)
    np.testing.assert_array_equal(mixed.x[:, :real], np.broadcast_to(x[:real], (KEYS, real, 3, 2)))
    np.testing.assert_array_equal(mixed.y, np.broadcast_to(np.eye(3)[labels], (KEYS, 6, 3)))
    np.testing.assert_array_equal(mixed.weight, 1)


@pytest.mark.parametrize("size", [0, 1])
def test_batches_without_partners_stay_as_they_are(size):
    x, labels = batch(size)
    mixed = jax.jit(lambda key: mixup(key, x, labels, 1.0, num_classes=3))(jax.random.key(0))
    np.testing.assert_array_equal(mixed.x, x)
    np.testing.assert_array_equal(mixed.y, np.eye(3)[labels])
    np.testing.assert_array_equal(mixed.weight, np.ones(size))


@pytest.mark.usefixtures("enable_x64", "strict_promotion")
def test_double_precision_has_weights_in_double_precision():
    x = jnp.linspace(0.0, 1.0, 6)

    @jax.jit
    def run(key, alpha):
        double_key, single_key = jax.random.split(key)
        double = mixup(double_key, {"double": x, "single": x.astype(jnp.float32)}, jnp.arange(6), alpha, num_classes=6)
        return double, mixup(single_key, x.astype(jnp.float32), jnp.arange(6), alpha, num_classes=6, where=x < 0.9)

    double, single = run(jax.random.key(0), 0.3)
    assert (double.weight.dtype, double.y.dtype, double.x["single"].dtype) == (jnp.float64, jnp.float64, jnp.float32)
    np.testing.assert_allclose(double.x["double"], reference(x, double.weight, double.partner), rtol=1e-14)
    assert (single.weight.dtype, single.y.dtype, single.x.dtype) == (jnp.float32,) * 3


def test_gradients():
    x, _ = batch()
    weights = np.cos(np.arange(6.0)).astype(np.float32)

    def total(x, alpha):
        mixed = mixup(jax.random.key(0), x, None, alpha)
        return jnp.vdot(weights, mixed.x[:, 0, 0]), mixed

    gradient = jax.jit(jax.grad(total, (0, 1), has_aux=True))
    (slope, to_alpha), how = gradient(x, 0.7)
    expected = weights * np.asarray(how.weight)
    np.add.at(expected, np.asarray(how.partner), weights * (1 - np.asarray(how.weight)))
    np.testing.assert_allclose(slope[:, 0, 0], expected, rtol=1e-5, atol=1e-6)
    assert to_alpha == 0
    # Without mixing, what the partner is does not matter.
    x[2] = np.inf
    (slope, _), how = gradient(x, 0.0)
    np.testing.assert_allclose(slope[:, 0, 0], weights, rtol=1e-6)
    np.testing.assert_array_equal(how.x, x)


def test_mistakes_are_named():
    x, labels = batch()
    with pytest.raises(TypeError, match=r"`x\['image'\]` must be a floating array, got dtype uint8"):
        mixup(jax.random.key(0), {"image": x.astype(np.uint8)}, labels, 1.0, num_classes=3)
    with pytest.raises(ValueError, match=r"`num_classes` must be given for the integer labels `y`, got None \(or pass"):
        mixup(jax.random.key(0), x, labels, 1.0)
    with pytest.raises(ValueError, match="`num_classes` must be >= 1, got 0"):
        mixup(jax.random.key(0), x, labels, 1.0, num_classes=0)
    with pytest.raises(TypeError, match="`y` must be integer labels or floating targets, got dtype bool"):
        mixup(jax.random.key(0), x, labels > 0, 1.0)
    with pytest.raises(ValueError, match=r"`y\[1\]` must have the 6 examples of `x`, got shape \(5, 2\)"):
        mixup(jax.random.key(0), x, (x[:, 0], x[:5, 0]), 1.0)
    with pytest.raises(ValueError, match=r"`y\[0\]` must have a leading axis, got shape \(\)"):
        mixup(jax.random.key(0), x, [0.0] * 6, 1.0)
    with pytest.raises(ValueError, match="`x` must have at least one array, got none"):
        mixup(jax.random.key(0), {}, labels, 1.0, num_classes=3)
    for alpha in (-1.0, float("nan"), np.inf):
        with pytest.raises(ValueError, match="`alpha` must be finite and >= 0, got"):
            mixup(jax.random.key(0), x, None, alpha)
    with pytest.raises(TypeError, match="`per_example` must be True or False, got 1"):
        mixup(jax.random.key(0), x, None, 1.0, per_example=1)
    with pytest.raises(TypeError, match="`where` must be a boolean array, got dtype int32"):
        mixup(jax.random.key(0), x, None, 1.0, where=np.ones(6, np.int32))
    with pytest.raises(ValueError, match=r"`where` must have shape \(6,\), one value for each example, got \(6, 1\)"):
        mixup(jax.random.key(0), x, None, 1.0, where=np.ones((6, 1), bool))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        mixup(0, x, None, 1.0)
