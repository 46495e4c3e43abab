"""The symmetric divergence of R-Drop, from NumPy in double precision and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax.losses import symmetric_kl

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
P, Q = 2 * RNG.standard_normal((2, 5, 4)).astype(np.float32)
ALL = np.ones((5, 4), bool)
SOME = (RNG.random((5, 4)) < 0.5) | np.eye(5, 4, dtype=bool) | np.eye(5, 4, -1, dtype=bool)


@functools.partial(jax.jit, static_argnames="axis")
def compiled(p, q, where, axis=-1):
    return symmetric_kl(p, q, where=where, axis=axis)


@jax.jit
def derivatives(p, q, where):
    """Returns value, gradients and Hessians of each row."""

    def function(p, q, where):
        return symmetric_kl(p, q, where=where)

    def all_of(p, q, where):
        gradients = jax.grad(function, (0, 1))(p, q, where)
        return function(p, q, where), gradients, jax.hessian(function, (0, 1))(p, q, where)

    return jax.vmap(all_of)(p, q, where)


def softmax(z):
    p = np.exp(z - z.max())
    return p / p.sum()


def by_loop(first, second, where):
    """Computes the two divergences of each row over the list of its valid classes."""
    result = []
    for z, u, valid in zip(np.asarray(first, np.float64), np.asarray(second, np.float64), where, strict=True):
        p, q = softmax(z[valid]), softmax(u[valid])
        result.append(((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2)
    return np.array(result)


@pytest.mark.parametrize("where", [None, SOME], ids=["all", "some"])
def test_it_is_the_mean_of_the_two_divergences(where):
    expected = by_loop(P, Q, ALL if where is None else where)
    np.testing.assert_allclose(compiled(P, Q, where), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(compiled(Q, P, where), expected, rtol=1e-5, atol=1e-7)


def test_against_optax():
    def divergence(p, q):
        return optax.losses.kl_divergence(jax.nn.log_softmax(p), jax.nn.softmax(q))

    expected = jax.jit(lambda p, q: (divergence(p, q) + divergence(q, p)) / 2)(P, Q)
    np.testing.assert_allclose(compiled(P, Q, None), expected, rtol=1e-5)


def test_gradients_flow_to_both_and_have_their_closed_form():
    _, (to_p, to_q), _ = derivatives(P, Q, ALL)
    for z, u, gradient in [(P, Q, to_p), (Q, P, to_q)]:
        p, q = (np.apply_along_axis(softmax, -1, x.astype(np.float64)) for x in (z, u))
        ratio = np.log(p / q)
        expected = (p * (ratio - (p * ratio).sum(-1, keepdims=True)) + p - q) / 2
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_equal_predictions_are_a_minimum():
    shifted = P + 3
    value, gradients, hessians = derivatives(P, shifted, ALL)
    np.testing.assert_allclose(value, 0, atol=1e-12)
    np.testing.assert_allclose(gradients, 0, atol=1e-6)
    p = np.apply_along_axis(softmax, -1, P.astype(np.float64))
    # Second order: half the variance of the difference of the logits under p, for either side alone twice that of KL.
    np.testing.assert_allclose(hessians[0][0], p[..., None] * np.eye(4) - p[:, :, None] * p[:, None], atol=1e-6)
    np.testing.assert_array_equal(symmetric_kl(P, P), 0)


def test_close_predictions_keep_their_precision():
    p = P.astype(np.float64)
    q = (p + 1e-3 * RNG.standard_normal(p.shape)).astype(np.float32)
    np.testing.assert_allclose(compiled(P, q, None), by_loop(P, q, ALL), rtol=5e-3)


def test_large_and_impossible_logits_and_ignored_rows():
    nan, inf = np.nan, np.inf
    p = np.array([[1e4, -1e4, 0, 0], [-inf, 1, 0, 0], [nan, 1, 0, inf], [nan, nan, inf, 0], [-inf, 0, 0, 0]])
    q = np.array([[0, 0, 0, 1e4], [-inf, 0, 1, 0], [0, 0, 1, nan], [0, nan, inf, 0], [0, 0, 0, 0]])
    where = ALL.copy()
    where[2] = [False, True, True, False]
    where[3] = False
    value, gradients, hessians = derivatives(p.astype(np.float32), q.astype(np.float32), where)
    some = [[1, 0, 0], [1, 0, -np.inf]], [[0, 1, 0], [0, 1, -np.inf]]
    with np.errstate(invalid="ignore"):
        expected = by_loop(*np.array(some), np.array([[True] * 3, [True, True, False]]))
    np.testing.assert_allclose(value, [1e4, *expected, 0, inf], rtol=1e-5)
    for gradient in gradients:
        assert np.isfinite(gradient[:4]).all()
        np.testing.assert_array_equal(np.asarray(gradient)[~where], 0)
    assert all(np.isfinite(block[:4]).all() for blocks in hessians for block in blocks)


def test_axis_and_dtypes(enable_x64):
    expected = by_loop(P, Q, ALL)
    np.testing.assert_allclose(compiled(P.T.copy(), Q.T.copy(), None, axis=0), expected, rtol=1e-5)
    double = compiled(P.astype(np.float64), Q, None)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, expected, rtol=1e-12)
    low, other = jnp.asarray(P, jnp.bfloat16), jnp.asarray(Q, jnp.float16)
    assert compiled(low, other, None).dtype == jnp.float32
    np.testing.assert_allclose(compiled(low, other, None), by_loop(low, other, ALL), rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "`logits_p` must be a floating array", {"logits_p": np.zeros((2, 3), int)}),
        (TypeError, "`logits_q` must be a floating array", {"logits_q": np.zeros((2, 3), int)}),
        (ValueError, r"`logits_q` must have the shape \(2, 3\) of `logits_p`, got \(3,\)", {"logits_q": np.zeros(3)}),
        (ValueError, "`axis` must be in range for `logits_p`", {"axis": -3}),
        (ValueError, "`logits_p` must have at least one class", {"logits_p": np.zeros(0), "logits_q": np.zeros(0)}),
        (ValueError, "`where` must broadcast", {"where": np.ones(2, bool)}),
    ],
)
def test_errors(error, message, arguments):
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(error, match=message):
        symmetric_kl(**({"logits_p": logits, "logits_q": logits} | arguments))
