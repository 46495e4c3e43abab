import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import projections

RNG = np.random.default_rng(0)
LAYOUTS = [((5, 3), 0), ((3, 5), 0), ((2, 2, 3, 4), 0), ((3, 4, 6), 1)]


def factors(z, stacked_axes):
    wide = np.asarray(z.astype(jnp.float32), np.float64)
    return np.linalg.svd(wide if stacked_axes else wide.reshape(-1, z.shape[-1]), full_matrices=False)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("shape", "stacked_axes"), LAYOUTS)
def test_equal_their_formulas_in_every_layout(shape, stacked_axes, dtype):
    z = jnp.asarray(RNG.standard_normal(shape), dtype)
    u, s, vt = factors(z, stacked_axes)
    tree = {"w": z, "b": jnp.full(3, 9.0)}
    eps = float(jnp.finfo(dtype).eps)
    clipped, polar = jax.jit(
        lambda tree: (
            projections.spectral_norm(tree, 1.2, stacked_axes=stacked_axes),
            projections.orthogonal(tree, stacked_axes=stacked_axes),
        )
    )(tree)
    expected = (u * np.minimum(s, 1.2)[..., None, :]) @ vt
    np.testing.assert_allclose(clipped["w"].astype(jnp.float32), expected.reshape(shape), atol=10 * eps)
    np.testing.assert_allclose(polar["w"].astype(jnp.float32), (u @ vt).reshape(shape), atol=10 * eps)
    np.testing.assert_array_equal([clipped["b"], polar["b"]], 9)


def test_a_stack_keeps_the_matrices_that_are_within_the_bound():
    z = jnp.asarray(RNG.standard_normal((2, 4, 3)), jnp.float32) * jnp.array([0.1, 5.0])[:, None, None]
    operator = jax.jit(lambda z, bound: projections.spectral_norm(z, bound, stacked_axes=1))
    x = operator(z, 1.0)
    np.testing.assert_array_equal(x[0], z[0])
    np.testing.assert_allclose(np.linalg.svd(x[1], compute_uv=False), np.ones(3), rtol=1e-6)
    np.testing.assert_array_equal(operator(z, float("inf")), z)
    np.testing.assert_array_equal(operator(z, 0.0), 0)


def test_matrices_without_full_rank_become_orthonormal_too():
    both = jax.jit(lambda z: (projections.orthogonal(z), jax.jacobian(projections.orthogonal)(z)))
    for z in (np.zeros((4, 3)), np.ones((4, 3)), 1e-30 * np.eye(4, 3)):
        x, jacobian = both(jnp.asarray(z, jnp.float32))
        np.testing.assert_allclose(np.linalg.svd(x, compute_uv=False), 1, atol=1e-6)
        assert np.all(np.isfinite(jacobian))


def test_no_rival_is_nearer_than_the_polar_factor():
    z = RNG.standard_normal((5, 3))
    x = np.asarray(projections.orthogonal(jnp.asarray(z, jnp.float32)), np.float64)
    rivals = np.linalg.qr(RNG.standard_normal((500, 5, 3)))[0]
    near = np.linalg.qr(x + 0.1 * RNG.standard_normal((500, 5, 3)))
    near = near[0] * np.sign(np.diagonal(near[1], axis1=1, axis2=2))[:, None, :]
    for rival in (rivals, near):
        assert np.linalg.norm(x - z) <= np.linalg.norm(rival - z, axis=(1, 2)).min() + 1e-6


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`bound` must be >= 0, got -1.0"):
        projections.spectral_norm(jnp.ones((2, 2)), -1.0)
    with pytest.raises(ValueError, match="`stacked_axes` must be >= 0, got -1"):
        projections.orthogonal(jnp.ones((2, 2)), stacked_axes=-1)


def test_no_derivative_flows_through_the_choice_among_several_nearest_matrices():
    z = RNG.standard_normal((16, 6)).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(jnp.cos(projections.orthogonal(z)))))
    whole = float(jnp.max(jnp.abs(gradient(z))))
    for twin in (z[:, 0], np.zeros(16)):
        z[:, 1] = twin
        assert float(jnp.max(jnp.abs(gradient(z)))) < 10 * whole
