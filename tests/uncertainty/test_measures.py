import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regjax
from regjax.uncertainty import expected_entropy, mutual_information, predictive_entropy, variation_ratio
from regjax.uncertainty._measures import vote

MEASURES = [predictive_entropy, expected_entropy, mutual_information, variation_ratio]
ENTROPIES = MEASURES[:3]


def reference_entropy(p):
    return -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=-1)


def reference(measure, p):
    p = np.asarray(p, np.float64)
    if measure is predictive_entropy:
        return reference_entropy(p.mean(0))
    if measure is expected_entropy:
        return reference_entropy(p).mean(0)
    if measure is mutual_information:
        return reference_entropy(p.mean(0)) - reference_entropy(p).mean(0)
    votes = np.array([[np.sum(row == c) for c in range(p.shape[-1])] for row in p.argmax(-1).reshape(len(p), -1).T])
    return (1 - votes.max(-1) / len(p)).reshape(p.shape[1:-1])


@pytest.fixture(scope="module")
def probabilities():
    generator = np.random.default_rng(0)
    return generator.dirichlet([0.3, 0.5, 0.9, 1.3], size=(7, 2, 5)).astype(np.float32)


def test_public_names():
    assert regjax.uncertainty.__all__ == sorted(regjax.uncertainty.__all__)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_equals_float64_reference(measure, dtype, probabilities):
    rounded = jnp.asarray(probabilities, dtype)
    result = measure(rounded)
    assert result.dtype == jnp.float32
    assert result.shape == (2, 5)
    np.testing.assert_allclose(result, reference(measure, rounded), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("measure", MEASURES)
def test_jit_and_vmap(measure, probabilities):
    result = measure(jnp.asarray(probabilities))
    np.testing.assert_allclose(jax.jit(measure)(probabilities), result, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(measure, in_axes=1)(jnp.asarray(probabilities)), result, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "predictive", "expected", "ratio"),
    [
        ([[1, 0, 0], [1, 0, 0], [1, 0, 0]], 0, 0, 0),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.log(3), 0, 2 / 3),
        ([[1 / 3, 1 / 3, 1 / 3]] * 3, np.log(3), np.log(3), 0),
        ([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], np.log(3), np.log(2), 1 / 3),
    ],
)
def test_closed_forms(rows, predictive, expected, ratio):
    p = jnp.array(rows, jnp.float32)
    got = [measure(p) for measure in MEASURES]
    np.testing.assert_allclose(got, [predictive, expected, predictive - expected, ratio], atol=3e-7)
    assert not np.any(np.signbit(got))


def test_votes_are_hard_and_ties_go_to_the_first_class():
    # By mean probability class 0 has 0.6; by votes it has three of four.
    confident = jnp.array([[0.51, 0.49], [0.51, 0.49], [0.51, 0.49], [0.0, 1.0]])
    assert float(variation_ratio(confident)) == 0.25
    tied = jnp.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(variation_ratio(tied), 1 / 3, rtol=1e-6)


def test_mutual_information_is_between_zero_and_log_classes(probabilities):
    assert np.all(mutual_information(probabilities) <= np.log(4) + 1e-6)
    # Passes that agree: all that is left is rounding, of either sign.
    same = jnp.broadcast_to(jnp.asarray(probabilities).reshape(1, 70, 4), (7, 70, 4))
    difference = np.asarray(predictive_entropy(same) - expected_entropy(same))
    assert np.any(difference < 0), "the case is to need the clamp"
    assert np.all(mutual_information(same) >= 0)


@pytest.mark.parametrize("measure", MEASURES)
def test_gradients_are_finite_at_zero_and_at_subnormal_probabilities(measure):
    p = jnp.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 1e-40]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    value, gradient = jax.value_and_grad(lambda x: measure(x).sum())(p)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("measure", ENTROPIES)
def test_gradient_equals_finite_differences(measure, probabilities):
    p = np.asarray(probabilities[:, 0, :2], np.float64)
    direction = np.random.default_rng(1).normal(size=p.shape) * p
    slope = (reference(measure, p + 1e-6 * direction) - reference(measure, p - 1e-6 * direction)) / 2e-6
    _, got = jax.jvp(measure, (jnp.asarray(p, jnp.float32),), (jnp.asarray(direction, jnp.float32),))
    np.testing.assert_allclose(got, slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0)])
def test_refuses_shapes(measure, shape):
    with pytest.raises(ValueError, match=r"`probabilities` must have shape \[num_samples, ..., classes\], got \("):
        measure(jnp.zeros(shape))


@pytest.mark.parametrize("measure", MEASURES)
def test_refuses_integers(measure):
    with pytest.raises(TypeError, match="`probabilities` must be a floating array, got dtype int32"):
        measure(jnp.zeros((2, 3), jnp.int32))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_votes_are_those_of_an_argmax(dtype):
    inf, nan = np.inf, np.nan
    p = [[0.1, 0.7, 0.2], [0.4, 0.4, 0.2], [0, 0, 0], [0.9, nan, nan], [nan, 0, 1], [inf, 1, inf], [-inf, -inf, -inf]]
    p = jnp.array(p, dtype)
    np.testing.assert_array_equal(vote(p), jax.nn.one_hot(jnp.argmax(p, -1), 3, dtype=jnp.int32))
    np.testing.assert_array_equal(jax.vmap(vote)(p[:, None])[:, 0], vote(p))
