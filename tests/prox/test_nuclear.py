import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import projections, prox

RNG = np.random.default_rng(0)


def exact(z, threshold):
    u, s, vt = np.linalg.svd(np.asarray(z, np.float64), full_matrices=False)
    return (u * np.maximum(s - threshold, 0)[..., None, :]) @ vt


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("shape", "stacked_axes"), [((5, 3), 0), ((3, 5), 0), ((2, 2, 3, 4), 0), ((3, 4, 6), 1)])
def test_equals_the_formula_in_every_layout(shape, stacked_axes, dtype):
    z = jnp.asarray(RNG.standard_normal(shape), dtype)
    operator = jax.jit(functools.partial(prox.nuclear, strength=0.5, step_size=1.5, stacked_axes=stacked_axes))
    x = operator({"w": z, "b": jnp.ones(3)})
    wide = np.asarray(z.astype(jnp.float32))
    matrices = wide if stacked_axes else wide.reshape(-1, shape[-1])
    expected = exact(matrices, 0.75).reshape(shape)
    # Singular values are computed to a few roundings of the largest, whatever the entry.
    scale = np.linalg.norm(matrices, 2, axis=(-2, -1)).max()
    np.testing.assert_allclose(x["w"].astype(jnp.float32), expected, atol=float(jnp.finfo(dtype).eps) * 4 * scale)
    np.testing.assert_array_equal(x["b"], 1)


def test_the_rank_falls_and_small_matrices_vanish():
    z = jnp.asarray(RNG.standard_normal((8, 6)), jnp.float32)
    s = np.linalg.svd(z, compute_uv=False)
    operator = jax.jit(prox.nuclear)
    assert np.linalg.matrix_rank(operator(z, (s[2] + s[3]) / 2)) == 3
    np.testing.assert_array_equal(operator(z, s[0] * 1.0001), 0)
    np.testing.assert_array_equal(operator(jnp.zeros((8, 6)), 1.0), 0)
    np.testing.assert_allclose(operator(1e-30 * z, 1e-30), 1e-30 * exact(z, 1.0), rtol=1e-3, atol=1e-36)


def test_moreau_decomposition():
    # The conjugate of the nuclear norm is the indicator of the unit ball of the spectral norm.
    z = jnp.asarray(RNG.standard_normal((4, 6)), jnp.float32)
    np.testing.assert_allclose(z - jax.jit(prox.nuclear)(z, 0.8), jax.jit(projections.spectral_norm)(z, 0.8), atol=2e-6)


def test_a_metric_is_refused():
    with pytest.raises(ValueError, match="`metric` must be None for nuclear, whose operator is Euclidean, got dict"):
        prox.nuclear({"w": jnp.ones((2, 2))}, 1.0, metric={"w": jnp.ones((2, 2))})


# Distinct singular values, two that coincide, and two that are zero.
MATRICES = {"distinct": [2.0, 1.2, 0.3], "repeated": [2.0, 2.0, 0.3], "zero": [2.0, 0.0, 0.0]}


@pytest.mark.parametrize("operator", [prox.nuclear, projections.spectral_norm, projections.orthogonal])
def test_derivatives_also_where_singular_values_coincide(operator, enable_x64):
    u, _, vt = np.linalg.svd(RNG.standard_normal((5, 3)), full_matrices=False)
    first, second = map(jnp.asarray, RNG.standard_normal((2, 5, 3)))
    function = operator if operator is projections.orthogonal else functools.partial(operator, strength=0.8)
    if operator is projections.spectral_norm:
        function = functools.partial(operator, bound=0.8)

    @jax.jit
    def both(w):
        return jax.jvp(function, (w,), (first,))

    curvature = jax.jit(lambda w: jax.jvp(lambda w: both(w)[1], (w,), (second,))[1])
    for kind, values in MATRICES.items():
        w, step = jnp.asarray((u * values) @ vt), 1e-6
        if kind != "zero" or operator is not projections.orthogonal:  # where the polar factor has no derivative
            difference = (both(w + step * first)[0] - both(w - step * first)[0]) / (2 * step)
            np.testing.assert_allclose(both(w)[1], difference, atol=1e-8)
        assert np.all(np.isfinite(curvature(w)))
        if kind == "distinct":
            difference = (both(w + step * second)[1] - both(w - step * second)[1]) / (2 * step)
            np.testing.assert_allclose(curvature(w), difference, atol=1e-7)


def test_derivative_with_respect_to_the_strength(enable_x64):
    w = jnp.asarray(RNG.standard_normal((4, 3)))
    s = np.linalg.svd(w, compute_uv=False)
    for operator in (prox.nuclear, projections.spectral_norm):
        function, slope = jax.jit(operator), jax.jit(jax.jacfwd(operator, argnums=1))
        for at in ((s[1] + s[2]) / 2, s[0] * 1.1):
            difference = (function(w, at + 1e-6) - function(w, at - 1e-6)) / 2e-6
            np.testing.assert_allclose(slope(w, at), difference, atol=1e-8)
