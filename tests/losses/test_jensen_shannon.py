"""The Jensen-Shannon divergence, from NumPy in double precision and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.losses import jensen_shannon

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
LOGITS = 2 * RNG.standard_normal((3, 5, 4)).astype(np.float32)
ALL = np.ones((5, 4), bool)
SOME = (RNG.random((5, 4)) < 0.5) | np.eye(5, 4, dtype=bool) | np.eye(5, 4, -1, dtype=bool)
WEIGHTS = np.array([0.5, 0.2, 0.3], np.float32)
EQUAL = np.full(3, 1 / 3, np.float32)


@functools.partial(jax.jit, static_argnames="axis")
def compiled(z, weights, where, axis=-1):
    return jensen_shannon(z, weights=weights, where=where, axis=axis)


@jax.jit
def derivatives(z, weights, where):
    """Returns value, gradient and Hessian of each row of `z`, whose first axis is that of the predictions."""

    def function(z, where):
        return jensen_shannon(z, weights=weights, where=where)

    def all_of(z, where):
        return function(z, where), jax.grad(function)(z, where), jax.hessian(function)(z, where)

    return jax.vmap(all_of, (1, 0))(z, where)


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def plogp(p):
    return p * np.log(np.where(p > 0, p, 1))


def by_loop(logits, weights, where):
    """Computes the difference of the entropies of each row, over the list of its valid classes."""
    w = np.asarray(weights, np.float64)[:, None] / np.sum(weights)
    result = []
    for row, valid in enumerate(where):
        p = softmax(np.asarray(logits, np.float64)[:, row, valid])
        result.append((w * plogp(p)).sum() - plogp((w * p).sum(0)).sum())
    return np.array(result)


@pytest.mark.parametrize("where", [None, SOME], ids=["all", "some"])
def test_it_is_the_entropy_of_the_mean_less_the_mean_entropy(where):
    valid = ALL if where is None else where
    np.testing.assert_allclose(compiled(LOGITS, None, where), by_loop(LOGITS, [1, 1, 1], valid), rtol=2e-5, atol=1e-7)
    for weights in (WEIGHTS, 7 * WEIGHTS, np.array([2, 0, 1], np.float32)):
        expected = by_loop(LOGITS, weights, valid)
        np.testing.assert_allclose(compiled(LOGITS, weights, where), expected, rtol=2e-5, atol=1e-7)


def test_a_sequence_is_a_stack():
    expected = compiled(LOGITS, None, None)
    np.testing.assert_allclose(compiled(list(LOGITS), None, None), expected, rtol=1e-5)
    weighted = jax.jit(lambda z: jensen_shannon(tuple(z), weights=[0.5, 0.2, 0.3]))(LOGITS)
    np.testing.assert_allclose(weighted, compiled(LOGITS, WEIGHTS, None), rtol=1e-5)


def test_bounds():
    certain = np.zeros((3, 5, 4), np.float32)
    certain[[0, 1, 2], :, [0, 1, 2]] = 50
    np.testing.assert_allclose(compiled(certain, None, None), np.log(3), rtol=1e-6)
    entropy = -(WEIGHTS * np.log(WEIGHTS)).sum()
    np.testing.assert_allclose(compiled(certain, WEIGHTS, None), entropy, rtol=1e-6)
    close = (LOGITS[:1] + 10.0 ** RNG.uniform(-8, 0, (3, 5, 4))).astype(np.float32)
    assert compiled(close, None, None).min() >= 0
    equal = np.stack([LOGITS[0]] * 3)
    np.testing.assert_allclose(compiled(equal, None, None), 0, atol=1e-12)


@pytest.mark.parametrize("weights", [EQUAL, WEIGHTS], ids=["equal", "given"])
def test_gradient_and_hessian_in_closed_form(weights):
    w = weights.astype(np.float64)[:, None, None]
    _, gradient, hessian = derivatives(LOGITS, weights, ALL)
    p = softmax(LOGITS.astype(np.float64))
    ratio = np.log(p / (w * p).sum(0))
    expected = w * p * (ratio - (p * ratio).sum(-1, keepdims=True))
    np.testing.assert_allclose(np.moveaxis(gradient, 1, 0), expected, atol=1e-6)
    # Along one direction, by differences of the closed form in double precision.
    direction, step = RNG.standard_normal(LOGITS.shape), 1e-5

    def slope(z):
        p = softmax(z)
        ratio = np.log(p / (w * p).sum(0))
        return w * p * (ratio - (p * ratio).sum(-1, keepdims=True))

    change = (slope(LOGITS + step * direction) - slope(LOGITS - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.einsum("rikjl,jrl->irk", hessian, direction), change, atol=2e-6)


@pytest.mark.parametrize("step", [1e-1, 1e-2, 1e-3])
def test_close_predictions_keep_their_precision(step):
    close = (LOGITS[:1] + step * RNG.standard_normal((3, 5, 4))).astype(np.float32)
    np.testing.assert_allclose(compiled(close, None, None), by_loop(close, [1, 1, 1], ALL), rtol=1e-6 / step)
    _, gradient, _ = derivatives(close, EQUAL, ALL)
    p = softmax(close.astype(np.float64))
    ratio = np.log(p / p.mean(0))
    expected = p * (ratio - (p * ratio).sum(-1, keepdims=True)) / 3
    np.testing.assert_allclose(np.moveaxis(gradient, 1, 0), expected, atol=1e-7)


@pytest.mark.parametrize("weights", [EQUAL, np.array([0.5, 0.5, 0.0], np.float32)], ids=["equal", "one of no weight"])
def test_large_and_impossible_logits_and_ignored_rows(weights):
    nan, inf = np.nan, np.inf
    z = np.array(
        [
            [[1e4, -1e4, 0, 0], [-inf, 1, 0, 0], [nan, 1, 0, inf], [nan, nan, inf, 0], [-inf, 0, 0, 0]],
            [[0, 0, 0, 1e4], [-inf, 0, 1, 0], [0, 0, 1, nan], [0, nan, inf, 0], [0, -inf, 0, 0]],
            [[0, 0, 0, 0], [-inf, 0, 0, 0], [0, 0, 1, nan], [0, nan, inf, 0], [0, 0, 1e4, 0]],
        ]
    )
    where = ALL.copy()
    where[2] = [False, True, True, False]
    where[3] = False
    value, gradient, hessian = derivatives(z.astype(np.float32), weights, where)
    harmless = np.where(np.isneginf(z), -1e30, np.where(where, z, 0))
    valid = where.copy()
    valid[3] = True
    expected = by_loop(harmless, weights, valid)
    expected[3] = 0
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)
    assert np.isfinite(gradient).all() and np.isfinite(hessian).all()
    np.testing.assert_array_equal(np.moveaxis(gradient, 1, 0)[:, ~where], 0)
    with jax.debug_nans(True):
        compiled(harmless.astype(np.float32) - np.where(np.isneginf(z), np.inf, 0).astype(np.float32), weights, where)


def test_no_gradient_flows_to_the_weights():
    slope = jax.jit(jax.grad(lambda w: jensen_shannon(LOGITS, weights=w).sum()))(jnp.asarray(WEIGHTS, jnp.float32))
    np.testing.assert_array_equal(slope, 0)


def test_nan_is_not_hidden():
    z = np.zeros((2, 3), np.float32)
    z[0, 1] = np.nan
    assert jnp.isnan(compiled(z, None, None))


def test_axis_and_dtypes(enable_x64):
    expected = by_loop(LOGITS, [1, 1, 1], ALL)
    transposed = np.swapaxes(LOGITS, 1, 2).copy()
    for axis in (0, -2):
        np.testing.assert_allclose(compiled(transposed, None, None, axis=axis), expected, rtol=1e-5)
    double = compiled(LOGITS.astype(np.float64), np.float32([1, 1, 1]), None)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, expected, rtol=1e-12)
    low = [jnp.asarray(LOGITS[0], jnp.bfloat16), jnp.asarray(LOGITS[1], jnp.float16)]
    result = compiled(low, None, None)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, by_loop(np.array([np.asarray(z, float) for z in low]), [1, 1], ALL), rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "`logits` must be a floating array", {"logits": np.zeros((2, 3), int)}),
        (TypeError, "`logits` must be a floating array", {"logits": [np.zeros(3), np.zeros(3, int)]}),
        (ValueError, "`logits` must hold at least two predictions .* got 1", {"logits": np.zeros((1, 3))}),
        (ValueError, "`logits` must hold at least two predictions .* got 0", {"logits": 1.0}),
        (ValueError, "`logits` must hold at least two predictions .* got 0", {"logits": []}),
        (ValueError, r"`logits` must have the shape \(3,\) of `logits\[0\]`", {"logits": [np.zeros(3), np.zeros(2)]}),
        (ValueError, r"`axis` must be in range for `logits\[0\]` of shape \(3,\), got 1", {"axis": 1}),
        (ValueError, r"`logits\[0\]` must have at least one class", {"logits": np.zeros((2, 0))}),
        (ValueError, r"`weights` must have shape \(2,\), .* got \(3,\)", {"weights": [1, 1, 1]}),
        (ValueError, r"`weights` must have shape \(2,\), .* got \(\)", {"weights": 0.5}),
        (ValueError, "`weights` must be finite, >= 0 and not all 0", {"weights": [1, -1]}),
        (ValueError, "`weights` must be finite, >= 0 and not all 0", {"weights": [0, 0]}),
        (ValueError, "`weights` must be finite, >= 0 and not all 0", {"weights": [1, np.nan]}),
        (TypeError, "`weights` must be a real number", {"weights": ["a", "b"]}),
        (ValueError, r"`where` must broadcast to the shape \(3,\)", {"where": np.ones(2, bool)}),
    ],
)
def test_errors(error, message, arguments):
    with pytest.raises(error, match=message):
        jensen_shannon(**({"logits": np.zeros((2, 3), np.float32)} | arguments))
