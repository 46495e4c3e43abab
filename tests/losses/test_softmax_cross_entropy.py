"""Cross-entropy, from NumPy in double precision, closed forms and Optax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax.losses import smooth_labels, softmax_cross_entropy

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.standard_normal((6, 5)).astype(np.float32)
LABELS = np.array([2, 0, 4, 1, 1, 3])
SOFT = RNG.dirichlet(np.ones(5), 6).astype(np.float32)
WHERE = (RNG.random((6, 5)) < 0.5) | np.eye(5, dtype=bool)[LABELS]


def by_loop(logits, soft, alpha, where):
    """Computes one row at a time in double precision, over the list of its valid classes."""
    losses = []
    for z, y, valid in zip(np.asarray(logits, np.float64), np.asarray(soft, np.float64), where, strict=True):
        q = y[valid] / y[valid].sum() * (1 - alpha) + alpha / valid.sum()
        losses.append(q @ (np.log(np.exp(z[valid]).sum()) - z[valid]))
    return np.array(losses)


@functools.partial(jax.jit, static_argnames=("axis", "plain"))
def compiled(z, y, alpha, where, *, axis=-1, plain=False):
    return softmax_cross_entropy(z, y, label_smoothing=0.0 if plain else alpha, where=where, axis=axis)


@functools.partial(jax.jit, static_argnames="plain")
def _derivatives(z, y, alpha, where, plain):
    def function(z, y, where):
        return softmax_cross_entropy(z, y, label_smoothing=0.0 if plain else alpha, where=where)

    def both(z, y, where):
        return function(z, y, where), jax.grad(function)(z, y, where), jax.hessian(function)(z, y, where)

    return jax.vmap(both)(z, y, where)


def derivatives(z, y, alpha, where=None):
    """Returns value, gradient and Hessian of each row; all calls share few compilations, so rows are padded to 8.

    A smoothing of None stands for none, known while tracing.
    """
    z, y = np.asarray(z, np.float32), np.asarray(y)
    y = y.astype(np.int32 if y.dtype.kind == "i" else np.float32)
    padded = [np.resize(array, (8, *array.shape[1:])) for array in (z, y)]
    where = None if where is None else np.resize(np.broadcast_to(where, z.shape), (8, z.shape[1]))
    results = _derivatives(*padded, np.float32(alpha or 0.0), where, alpha is None)
    return [np.asarray(result)[: len(z)] for result in results]


def one_hot(labels, num_classes):
    return np.eye(num_classes, dtype=np.float32)[labels]


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("where", [None, WHERE], ids=["all", "masked"])
def test_integer_and_soft_labels_against_numpy(alpha, where):
    valid = np.ones_like(WHERE) if where is None else where
    expected = by_loop(LOGITS, one_hot(LABELS, 5), alpha, valid)
    smoothed = compiled(LOGITS, LABELS, alpha, where)
    np.testing.assert_allclose(smoothed, expected, rtol=2e-6, atol=1e-6)
    if alpha == 0:
        plain = compiled(LOGITS, LABELS, alpha, where, plain=True)
        np.testing.assert_allclose(plain, expected, rtol=2e-6, atol=1e-6)
    from_soft = compiled(LOGITS, one_hot(LABELS, 5), alpha, where)
    np.testing.assert_allclose(from_soft, expected, rtol=2e-6, atol=1e-6)
    from_mixed = compiled(LOGITS, SOFT, alpha, where)
    np.testing.assert_allclose(from_mixed, by_loop(LOGITS, SOFT, alpha, valid), rtol=2e-6, atol=1e-6)


def test_against_optax():
    expected = jax.jit(optax.losses.softmax_cross_entropy_with_integer_labels)(LOGITS, LABELS)
    np.testing.assert_allclose(compiled(LOGITS, LABELS, 0.0, None), expected, rtol=1e-6)
    smoothed = jax.jit(optax.losses.smooth_labels)(one_hot(LABELS, 5), 0.2)
    expected = jax.jit(optax.losses.softmax_cross_entropy)(LOGITS, smoothed)
    np.testing.assert_allclose(compiled(LOGITS, LABELS, 0.2, None), expected, rtol=1e-6)


def test_smoothing_first_is_the_same():
    for labels in (LABELS, SOFT):
        first = jax.jit(lambda y: smooth_labels(y, 0.3, num_classes=5, where=WHERE))(labels)
        both = compiled(LOGITS, labels, 0.3, WHERE)
        np.testing.assert_allclose(compiled(LOGITS, first, 0.0, WHERE), both, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, -2])
def test_the_classes_may_lie_along_any_axis(axis):
    logits, labels = RNG.standard_normal((3, 4, 5)).astype(np.float32), RNG.integers(0, 5, (3, 4))
    where = (RNG.random((3, 4, 5)) < 0.6) | np.eye(5, dtype=bool)[labels]
    expected = compiled(logits, labels, 0.1, where)
    moved, moved_where = np.moveaxis(logits, -1, axis), np.moveaxis(where, -1, axis)
    result = compiled(moved, labels, 0.1, moved_where, axis=axis)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    soft = np.moveaxis(one_hot(labels, 5), -1, axis)
    result = compiled(moved, soft, 0.1, moved_where, axis=axis)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_the_smallest_loss_is_the_entropy_of_the_smoothed_label():
    q = 0.9 * np.eye(3) + 0.1 / 3
    value, gradient, hessian = derivatives(np.log(q), np.arange(3), 0.1)
    np.testing.assert_allclose(value, -(q * np.log(q)).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-7)
    assert np.linalg.eigvalsh(hessian).min() > -1e-6


@pytest.mark.parametrize("alpha", [None, 0.0, 0.3], ids=str)
def test_gradient_and_hessian_in_closed_form(alpha):
    logits, labels = LOGITS[:, :3], LABELS % 3
    p = np.exp(logits - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True)))
    q = (1 - (alpha or 0)) * np.eye(3)[labels] + (alpha or 0) / 3
    for given in (labels, one_hot(labels, 3)):
        _, gradient, hessian = derivatives(logits, given, alpha)
        np.testing.assert_allclose(gradient, p - q, atol=1e-6)
        np.testing.assert_allclose(hessian, p[..., None] * np.eye(3) - p[:, :, None] * p[:, None], atol=1e-6)


@pytest.mark.parametrize("alpha", [None, 0.0, 0.1], ids=str)
def test_ignored_rows_are_exactly_zero_whatever_their_logits(alpha):
    nan, inf = np.nan, np.inf
    logits = [[nan, 1, 0], [inf, -inf, 0], [nan, nan, inf], [1, 2, 0]]
    where = np.array([[True] * 3, [True, False, True], [False] * 3, [True] * 3])
    value, gradient, hessian = derivatives(logits, [-1, -7, 1, 0], alpha, where)
    for result in (value, gradient, hessian):
        np.testing.assert_array_equal(result[:3], 0)
        assert (result[3] != 0).all()
    value, gradient, _ = derivatives(logits[:2], [-1, -7], alpha)
    np.testing.assert_array_equal(value, 0)
    np.testing.assert_array_equal(gradient, 0)


def test_the_slope_in_the_smoothing_does_not_see_what_is_ignored():
    nan = np.nan
    logits = np.array([[nan, 1, 0], [nan, 1, 0], [1, 2, nan], [1, 2, 0]], np.float32)
    where = np.array([[True] * 3, [False] * 3, [True, True, False], [True] * 3])

    def total(alpha):
        return softmax_cross_entropy(logits, np.array([-1, 0, 2, 1]), label_smoothing=alpha, where=where).sum()

    # The loss is linear in the smoothing; its slope is the logit of the label less the mean of the logits.
    np.testing.assert_allclose(jax.jit(jax.grad(total))(0.1), 2 - 1, rtol=1e-6)


def test_soft_rows_without_a_valid_class_or_a_label_are_zero():
    where = np.array([[False] * 3, [True] * 3])
    soft = np.array([[0, 1, 0], [0, 0, 0]], np.float32)
    for result in derivatives([[np.nan, 1, 0], [1, 2, 0]], soft, 0.1, where):
        np.testing.assert_array_equal(result, 0)


@pytest.mark.parametrize("soft", [False, True], ids=["integer", "soft"])
@pytest.mark.parametrize("alpha", [None, 0.1], ids=str)
def test_masked_classes_are_as_good_as_deleted(soft, alpha):
    hidden = np.array([-np.inf, np.nan, np.inf, 1e4, 0.0], np.float32)
    logits = np.stack([np.full(5, 1.5, np.float32), hidden, np.full(5, 0.2, np.float32)], 1)
    labels = one_hot([2] * 5, 3) if soft else [2] * 5
    value, gradient, hessian = derivatives(logits, labels, alpha, [True, False, True])
    z, a = np.array([1.5, 0.2]), alpha or 0.0
    p = np.exp(z) / np.exp(z).sum()
    q = (1 - a) * np.array([0, 1]) + a / 2
    np.testing.assert_allclose(value, np.full(5, -(q * np.log(p)).sum()), rtol=1e-6)
    np.testing.assert_allclose(gradient, np.tile([p[0] - q[0], 0, p[1] - q[1]], (5, 1)), atol=1e-7)
    v = p[0] * p[1]
    np.testing.assert_allclose(hessian, np.tile([[v, 0, -v], [0, 0, 0], [-v, 0, v]], (5, 1, 1)), atol=1e-7)
    np.testing.assert_array_equal(gradient[:, 1], 0)
    np.testing.assert_array_equal(hessian[:, 1], 0)


@pytest.mark.parametrize("alpha", [None, 0.0, 0.1], ids=str)
def test_a_label_that_is_masked_gives_infinity_with_zero_gradient(alpha):
    for label in ([2], one_hot([2], 3)):
        value, gradient, hessian = derivatives([[1.0, 2.0, 0.5]], label, alpha, [True, True, False])
        np.testing.assert_array_equal(value, np.inf)
        np.testing.assert_array_equal(gradient, 0)
        np.testing.assert_array_equal(hessian, 0)


def test_soft_labels_that_are_masked_in_part_keep_their_proportions():
    soft = np.array([[0.3, 0.1, 0.6], [0.75, 0.25, 0.0]], np.float32)
    value, gradient, _ = derivatives([[1.0, 2.0, 0.5]] * 2, soft, 0.1, [True, True, False])
    np.testing.assert_allclose(value[0], value[1], rtol=1e-6)
    np.testing.assert_allclose(gradient[0], gradient[1], atol=1e-6)


@pytest.mark.parametrize("soft", [False, True], ids=["integer", "soft"])
@pytest.mark.parametrize("alpha", [None, 0.1], ids=str)
def test_large_logits(alpha, soft):
    rows = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, 1e4 + 1], [-1e38, 1e38, 0], [0, 0, 1e-30]], np.float32)
    value, gradient, hessian = derivatives(rows, one_hot([0] * 5, 3) if soft else [0] * 5, alpha)
    shifted = rows.astype(np.float64) - rows.max(-1, keepdims=True).astype(np.float64)
    expected = by_loop(shifted, one_hot([0] * 5, 3), alpha or 0.0, np.ones((5, 3), bool))
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-7)
    assert np.isfinite(gradient).all() and np.isfinite(hessian).all()


@pytest.mark.parametrize("soft", [False, True], ids=["integer", "soft"])
@pytest.mark.parametrize("alpha", [None, 0.0], ids=["static", "traced"])
def test_impossible_classes_that_are_not_the_label(alpha, soft):
    logits = [[1.0, -np.inf, 2.0]]
    value, gradient, hessian = derivatives(logits, one_hot([0], 3) if soft else [0], alpha)
    p = np.exp(logits[0]) / np.exp([1, 2]).sum()
    np.testing.assert_allclose(value[0], -np.log(p[0]), rtol=1e-6)
    np.testing.assert_allclose(gradient[0], p - [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(hessian[0], np.diag(p) - np.outer(p, p), atol=1e-6)


@pytest.mark.parametrize("soft", [False, True], ids=["integer", "soft"])
def test_impossible_labels_have_infinite_loss_and_finite_derivatives(soft):
    logits = [[1.0, -np.inf, 2.0]]
    p = np.exp(logits[0]) / np.exp([1, 2]).sum()
    for label, alpha in [(1, 0.0), (0, 0.3)]:
        value, gradient, hessian = derivatives(logits, one_hot([label], 3) if soft else [label], alpha)
        assert value[0] == np.inf
        np.testing.assert_allclose(gradient[0], p - (1 - alpha) * np.eye(3)[label] - alpha / 3, atol=1e-6)
        np.testing.assert_allclose(hessian[0], np.diag(p) - np.outer(p, p), atol=1e-6)


def test_full_smoothing_ignores_the_label_even_where_it_is_impossible():
    value, _, _ = derivatives([[1.0, -np.inf, 2.0]] * 2, [0, 1], 1.0, [True, False, True])
    np.testing.assert_allclose(value[0], np.log(np.exp([1, 2]).sum()) - 1.5, rtol=1e-6)
    assert value[1] == np.inf
    value, _, _ = derivatives([[1.0, 0.0, 2.0]] * 3, [0, 1, 2], 1.0)
    np.testing.assert_allclose(value, np.log(np.exp([1, 0, 2]).sum()) - 1, rtol=1e-6)


def test_nan_is_not_hidden():
    logits, labels, soft = LOGITS.copy(), LABELS.copy(), SOFT.copy()
    logits[0, 1] = soft[0, 1] = np.nan
    labels[1] = 5
    everything = np.ones_like(WHERE)
    for where in (None, everything):
        np.testing.assert_array_equal(np.isnan(compiled(logits, labels, 0.1, where)), [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.isnan(compiled(LOGITS, soft, 0.1, everything)), [1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.isnan(compiled(logits, SOFT, 0.1, everything)), [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_is_computed_in_float32(dtype):
    logits = jnp.asarray(LOGITS, dtype)
    loss = compiled(logits, LABELS, 0.1, None)
    assert loss.dtype == jnp.float32
    expected = by_loop(logits, np.eye(5)[LABELS], 0.1, np.ones((6, 5), bool))
    np.testing.assert_allclose(loss, expected, rtol=2e-6)
    # The label's entry is p - 1, which must be rounded once and not made from a rounded p.
    sure = jnp.asarray([8.0, 0.0], dtype)
    gradient = jax.jit(jax.grad(lambda z: softmax_cross_entropy(z, np.array(0))))(sure)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(np.asarray(gradient, np.float64), np.array([-1, 1]) / (1 + np.exp(8)), rtol=5e-3)


def test_double_precision_stays(enable_x64):
    loss = compiled(LOGITS.astype(np.float64), LABELS, 0.1, WHERE)
    assert loss.dtype == jnp.float64
    np.testing.assert_allclose(loss, by_loop(LOGITS, np.eye(5)[LABELS], 0.1, WHERE), rtol=1e-13)
    assert compiled(LOGITS, SOFT.astype(np.float64), np.float32(0.1), None).dtype == jnp.float32


def test_one_compilation_serves_all_strengths_of_smoothing():
    traces = []

    def function(alpha):
        traces.append(None)
        return softmax_cross_entropy(LOGITS, LABELS, label_smoothing=alpha, where=WHERE)

    alphas = jnp.array([0.0, 0.1, 1.0])
    mapped = jax.jit(jax.vmap(function))(alphas)
    assert len(traces) == 1
    expected = [by_loop(LOGITS, np.eye(5)[LABELS], alpha, WHERE) for alpha in (0.0, 0.1, 1.0)]
    np.testing.assert_allclose(mapped, expected, rtol=2e-6, atol=1e-6)
    # The loss is linear in the smoothing.
    slope = jax.jit(jax.jacfwd(function))(0.3)
    np.testing.assert_allclose(slope, mapped[2] - mapped[0], rtol=1e-5, atol=1e-5)


def intermediates(jaxpr):
    """Yields the primitive and the result of every equation, those of inner functions included."""
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield equation.primitive.name, variable.aval
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, list | tuple) else [parameter]:
                inside = getattr(inner, "jaxpr", inner)
                if hasattr(inside, "eqns"):
                    yield from intermediates(inside)


def of_the_size_of_one_hot(function, *arguments):
    """Returns what a one-hot array is made of: large counters, and comparisons with them."""
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    return {name for name, aval in intermediates(jaxpr) if name in {"iota", "eq"} and aval.size >= 2 * 1000}


@pytest.mark.parametrize("derive", [False, True], ids=["value", "gradient"])
@pytest.mark.parametrize("alpha", [0.0, 0.1, "traced"], ids=str)
@pytest.mark.parametrize("where", [None, np.arange(1000) < 990], ids=["all", "masked"])
def test_integer_labels_build_no_one_hot(derive, alpha, where):
    def function(z, y, a):
        smoothing = a if alpha == "traced" else alpha
        return softmax_cross_entropy(z, y, label_smoothing=smoothing, where=where).sum()

    def dense(z, y, a):
        return softmax_cross_entropy(z, smooth_labels(y, a, num_classes=1000), where=where).sum()

    arguments = (jnp.zeros((2, 1000)), jnp.zeros(2, int), jnp.float32(0.1))
    assert of_the_size_of_one_hot(jax.grad(function) if derive else function, *arguments) == set()
    assert "eq" in of_the_size_of_one_hot(dense, *arguments)


def test_masks_and_ignored_rows_pass_the_checks_of_jax():
    logits = jnp.array([[1.0, -jnp.inf, 2.0], [0.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
    labels, where = jnp.array([0, -1, 1]), jnp.array([[True, False, True], [True] * 3, [False] * 3])
    with jax.debug_nans(True), jax.checking_leaks():
        for y in (labels, jax.nn.one_hot(labels, 3)):
            loss = jax.jit(lambda z, y=y: softmax_cross_entropy(z, y, label_smoothing=0.1, where=where).sum())
            assert np.isfinite(jax.jit(jax.grad(loss))(logits)).all()


def test_an_empty_batch():
    assert compiled(np.zeros((0, 3), np.float32), np.zeros(0, int), 0.1, None).shape == (0,)


@pytest.mark.parametrize(
    ("error", "message", "labels", "arguments"),
    [
        (TypeError, "`logits` must be a floating array, got dtype int32", [0, 1], {"logits": jnp.zeros((2, 3), int)}),
        (TypeError, "`labels` must be integers, or probabilities .* got dtype bool", np.eye(3, dtype=bool)[:2], {}),
        (ValueError, r"must have the shape \(2,\) of `logits` without .* got \(2, 3\)", np.eye(3, dtype=int)[:2], {}),
        (ValueError, r"`labels` must have the shape \(2,\) of `logits` without the classes", [0, 1, 2], {}),
        (ValueError, r"`labels` must have the shape \(3,\) of `logits` without the classes", [0, 1], {"axis": 0}),
        (ValueError, r"`labels` must have the shape \(2, 3\) of `logits`, got \(3,\)", [0.0, 1.0, 0.0], {}),
        (ValueError, "`labels` must be below the number of classes, 3, got 3", [0, 3], {}),
        (ValueError, r"`label_smoothing` must be in \[0, 1\], got -0.1", [0, 1], {"label_smoothing": -0.1}),
        (TypeError, "`label_smoothing` must be a number", [0, 1], {"label_smoothing": None}),
        (ValueError, r"`axis` must be in range for `logits` of shape \(2, 3\), got 2", [0, 1], {"axis": 2}),
        (ValueError, r"`axis` must be in range for `logits` of shape \(\)", 0, {"logits": 1.0}),
        (ValueError, "`logits` must have at least one class along axis 1", [0, 1], {"logits": np.zeros((2, 0))}),
        (ValueError, r"`where` must broadcast to the shape \(2, 3\) of `logits`", [0, 1], {"where": np.ones(2, bool)}),
        (TypeError, "`where` must be a boolean array", [0, 1], {"where": np.ones(3)}),
    ],
)
def test_errors(error, message, labels, arguments):
    with pytest.raises(error, match=message):
        softmax_cross_entropy(**({"logits": np.zeros((2, 3), np.float32), "labels": labels} | arguments))
