import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize

from regjax import diagnostics, masks, regularizers
from tests.cases import PENALTIES_ONLY, REGULARIZERS, tree

RNG = np.random.default_rng(0)
MORE = [
    regularizers.group_lasso(0.3, axis=1, size_scaling=False, mask="kernel"),
    regularizers.group_lasso(0.3, axis=None),
    regularizers.sparse_group_lasso(0.2, 0.3, axis=-1, size_scaling=False),
    regularizers.total_variation(0.4, axis=-1, mask="kernel"),
    regularizers.mcp(0.8, gamma=0.6),
    regularizers.l1(0.0),
    regularizers.l0(0.0),
    regularizers.by_path({"bias": regularizers.l0(0.1), "kernel": regularizers.group_lasso(0.3, axis=0)}),
]
WITH_PROX = [r for r in [*REGULARIZERS, *MORE] if getattr(r, "name", "by_path") not in PENALTIES_ONLY]


MEASURE = jax.jit(diagnostics.optimality)


@pytest.mark.parametrize("regularizer", WITH_PROX, ids=str)
def test_is_the_limit_of_short_proximal_steps(regularizer, enable_x64):
    # (w - prox_t(w - t g)) / t tends to the element of least norm of g + the subdifferential at w, as t falls to 0.
    params, step = tree(jnp.float64), 1e-7
    scales = np.array([0.1, 0.3, 0.5, 1.0, 3.0])
    gradients = {k: scales.reshape(-1, *[1] * w.ndim) * RNG.standard_normal((5, *w.shape)) for k, w in params.items()}

    def limit(gradients):
        moved = regularizer.prox(jax.tree.map(lambda w, g: w - step * g, params, gradients), step)
        return jnp.stack([jnp.max(jnp.abs(params[k] - moved[k])) / step for k in params]).max()

    @jax.jit
    @jax.vmap
    def both(gradients):
        return diagnostics.optimality(regularizer, params, gradients), limit(gradients)

    ours, wanted = both(gradients)
    assert ours.dtype == jnp.float64
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)


@jax.jit
def at_and_off_the_minimum(regularizer, z, d):
    """What it says where the operator takes z, for the gradient d (w - z), and beside that point."""
    w = regularizer.prox(z, 1.0, metric=d)
    off = jax.tree.map(lambda w: 1.25 * w + 0.5, w)
    weights = jax.tree.map(jnp.ones_like, z) if d is None else d
    return [
        diagnostics.optimality(regularizer, w, jax.tree.map(lambda d, w, z: d * (w - z), weights, w, z))
        for w in (w, off)
    ]


@pytest.mark.parametrize("regularizer", [r for r in REGULARIZERS if r in WITH_PROX], ids=str)
def test_is_zero_where_the_operator_ends(regularizer):
    at, off = at_and_off_the_minimum(regularizer, tree(), None)
    assert at <= 2e-6
    assert off > 0.1


@pytest.mark.parametrize(
    "regularizer",
    [
        regularizers.l1(0.3),
        regularizers.elastic_net(0.2, 0.3),
        regularizers.group_lasso(0.2, axis=1, mask="kernel"),
        regularizers.sparse_group_lasso(0.1, 0.2, axis=0),
    ],
    ids=str,
)
def test_does_not_depend_on_the_metric_of_the_optimizer(regularizer):
    z = tree()
    d = jax.tree.map(lambda leaf: np.exp(RNG.uniform(-2, 2, leaf.shape)).astype(np.float32), z)
    at, off = at_and_off_the_minimum(regularizer, z, d)
    assert at <= 1e-5
    assert off > 0.1


def least_norm(gradient, fixed, directions):
    """The least |gradient + fixed + directions u| over |u_i| <= 1, by bounded least squares in float64."""
    found = optimize.lsq_linear(directions, -(gradient + fixed), bounds=(-1, 1), tol=1e-14, method="bvls")
    return np.max(np.abs(gradient + fixed + directions @ found.x))


def test_lasso_and_total_variation_by_least_squares_over_the_subdifferential():
    w = np.array([0.0, 0.0, 1.0, 1.0, 1.0, -2.0, 0.0, 0.0, 3.0, 4.0, 4.0])
    n, strength = len(w), 0.7
    differences = np.diff(np.eye(n), axis=0)
    jumps = np.sign(differences @ w)
    lasso = jax.jit(lambda g: diagnostics.optimality(regularizers.l1(strength), jnp.float32(w), g))
    fused = jax.jit(lambda g: diagnostics.optimality(regularizers.total_variation(strength, axis=0), jnp.float32(w), g))
    for scale in (0.2, 0.7, 2.0):
        g = scale * RNG.standard_normal(n)
        expected = least_norm(g, strength * np.sign(w), strength * np.eye(n)[:, w == 0])
        np.testing.assert_allclose(lasso(jnp.float32(g)), expected, rtol=1e-5, atol=1e-6)
        expected = least_norm(g, strength * differences.T @ jumps, strength * differences.T[:, jumps == 0])
        np.testing.assert_allclose(fused(jnp.float32(g)), expected, rtol=1e-5, atol=1e-5)


def test_zero_group_by_a_search_over_the_subdifferential():
    l1, group, n = 0.3, 0.8, 4
    regularizer = regularizers.sparse_group_lasso(l1, group, axis=0, size_scaling=False)
    measure = jax.jit(lambda g: diagnostics.optimality(regularizer, jnp.zeros(n), g))
    seen = []
    for scale in (0.2, 0.8, 2.0):
        g = scale * RNG.standard_normal(n)
        found = optimize.minimize(
            lambda x, g=g: ((g + l1 * x[:n] + group * x[n:]) ** 2).sum(),
            np.zeros(2 * n),
            bounds=[(-1, 1)] * (2 * n),
            constraints={"type": "ineq", "fun": lambda x: 1 - (x[n:] ** 2).sum()},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        seen.append(np.max(np.abs(g + l1 * found.x[:n] + group * found.x[n:])))
        np.testing.assert_allclose(measure(jnp.float32(g)), seen[-1], atol=2e-5)
    assert min(seen) < 1e-3
    assert max(seen) > 0.1


def test_zero_singular_values_by_hand():
    # W spans the first row and column only: the rest of G may be as large as the strength.
    w = np.zeros((3, 2))
    w[0, 0] = 5.0
    regularizer = regularizers.nuclear(0.5)
    g = np.array([[-0.5, 0.0], [0.0, 0.4], [0.0, -0.3]])
    for scale, expected in ((1.0, 0.0), (2.0, 0.5 * 0.8)):
        rest = scale * np.hypot(0.4, 0.3)
        gradient = np.concatenate([g[:1], scale * g[1:]])
        left = max(rest - 0.5, 0) / rest * scale * 0.4
        assert left == pytest.approx(expected)
        for swap in (False, True):
            ours = MEASURE(regularizer, *(jnp.float32(x.T if swap else x) for x in (w, gradient)))
            np.testing.assert_allclose(ours, expected, atol=1e-6)
    stacked = regularizers.nuclear(0.5, stacked_axes=1)
    ours = MEASURE(stacked, jnp.stack([w, w]).astype(jnp.float32), jnp.float32([g, 2 * g]))
    # In the row and column of W the gradient is to be -0.5, and is -1.
    np.testing.assert_allclose(ours, 0.5, atol=1e-6)


def test_penalties_without_an_operator_add_their_gradient():
    params = {"kernel": jnp.array([[3.0, 0.0], [0.0, 1.0]])}
    zero = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_allclose(MEASURE(regularizers.spectral(0.5), params, zero), 1.5, rtol=1e-6)
    # The gradient is 4 strength W (W^T W - I).
    np.testing.assert_allclose(MEASURE(regularizers.orthogonal(0.5), params, zero), 48, rtol=1e-6)
    with pytest.raises(ValueError, match="`regularizer` must be a penalty of parameters, got activity"):
        diagnostics.optimality(regularizers.activity(0.1, 0.1), params, zero)
    with pytest.raises(ValueError, match="`axis` must be one axis"):
        diagnostics.optimality(regularizers.total_variation(0.1, axis=None), params, zero)


def test_unmasked_leaves_count_their_plain_gradient():
    params = {"bias": jnp.array([0.0, 1.0]), "kernel": jnp.zeros((2, 2)), "head": jnp.zeros(2)}
    gradients = {"bias": jnp.array([0.25, 0.0]), "kernel": jnp.full((2, 2), 0.9), "head": jnp.full(2, 0.1)}
    assert diagnostics.optimality(regularizers.l1(1.0, mask="kernel"), params, gradients) == 0.25
    rules = {"bias": None, "kernel": regularizers.l1(0.5), "**": regularizers.l1(1.0)}
    np.testing.assert_allclose(diagnostics.optimality(regularizers.by_path(rules), params, gradients), 0.4, rtol=1e-6)
    everything = regularizers.l1(1.0, mask=masks.path("**"))
    assert diagnostics.optimality(everything, params, gradients) == 1.0


def test_strengths_are_mapped_over():
    params, gradients = tree(), jax.tree.map(lambda w: 0.3 * jnp.cos(w), tree())
    strengths = np.float32([0.0, 0.1, 0.5])
    for make in (
        regularizers.l1,
        regularizers.l0,
        lambda s: regularizers.group_lasso(s, axis=0),
        lambda s: regularizers.log_sum(s, epsilon=0.5),
    ):
        measure = jax.jit(jax.vmap(diagnostics.optimality, (0, None, None)))
        apart = [MEASURE(make(float(s)), params, gradients) for s in strengths]
        np.testing.assert_allclose(measure(make(strengths), params, gradients), apart, rtol=1e-6)


@pytest.mark.parametrize(("param", "gradient"), [("bfloat16", "float32"), ("float32", "float16")])
def test_mixed_dtypes_are_measured_in_float32(param, gradient, strict_promotion):
    params = {"kernel": tree(param)["kernel"], "bias": tree()["bias"]}
    gradients = jax.tree.map(lambda w: w.astype(gradient), tree())
    ours = diagnostics.optimality(regularizers.l1(0.75), params, gradients)
    assert ours.dtype == jnp.float32 and ours.shape == ()
    np.testing.assert_allclose(ours, 2.5 + 0.75)


def test_other_leaves_pass():
    l1 = regularizers.l1(0.5)
    params = {"w": jnp.array([0.0, 2.0]), "n": jnp.int32(7), "none": None, "hidden": optax.MaskedNode()}
    gradients = {"w": jnp.array([0.6, -0.5]), "n": jnp.int32(9), "none": None, "hidden": optax.MaskedNode()}
    np.testing.assert_allclose(diagnostics.optimality(l1, params, gradients), 0.1, rtol=1e-5)
    # What Equinox does not differentiate has no gradient, but the masks see it.
    frozen = {"w": jnp.ones(2), "layers": {"a": jnp.ones(3)}, "empty": jnp.zeros((0, 2)), "scale": 2.0}
    gradients = {"w": jnp.full(2, -0.75), "layers": None, "empty": jnp.zeros((0, 2)), "scale": -0.5}
    rule = regularizers.by_path({"layers/a": regularizers.l2(5.0), "**": l1})
    assert diagnostics.optimality(rule, frozen, gradients) == 0.25
    assert diagnostics.optimality(l1, {}, {}) == 0
    assert diagnostics.optimality(l1, jnp.zeros(()), 0.75) == 0.25


def test_not_a_number_is_seen():
    l1 = regularizers.l1(1.0)
    for w, g in ((np.nan, 0.0), (0.0, np.nan), (1.0, np.nan)):
        assert jnp.isnan(diagnostics.optimality(l1, jnp.array([w, 1.0]), jnp.array([g, 5.0])))


def test_is_watched_while_training():
    z, l1 = jnp.array([3.0, -0.5, 0.2]), regularizers.l1(0.4)

    def step(w, _):
        gradients = w - z
        return l1.prox(w - 0.5 * gradients, 0.5), diagnostics.optimality(l1, w, gradients)

    w, history = jax.jit(lambda w: jax.lax.scan(step, w, length=40))(jnp.ones(3))
    chex.assert_trees_all_close(w, jnp.array([2.6, -0.1, 0.0]), atol=1e-6)
    assert history[0] > 1 and history[-1] < 1e-6
    assert (jnp.diff(history) <= 1e-7).all()


def test_what_does_not_fit_is_refused():
    l1, params = regularizers.l1(1.0), tree()
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer"):
        diagnostics.optimality(0.1, params, params)
    with pytest.raises(ValueError, match="`gradients` must fit the structure"):
        diagnostics.optimality(l1, params, {"kernel": params["kernel"]})
    with pytest.raises(ValueError, match="`gradients` must have the structure of `params`"):
        diagnostics.optimality(l1, {"w": {"a": jnp.ones(2)}}, {"w": jnp.ones(2)})
    with pytest.raises(ValueError, match=r"`gradients` must have the shapes of `params`, got \(1,\) for \(3,\)"):
        diagnostics.optimality(l1, params, params | {"bias": jnp.ones(1)})
    with pytest.raises(ValueError, match="`mask` must match a floating leaf"):
        diagnostics.optimality(regularizers.l1(1.0, mask="nothing"), params, params)
