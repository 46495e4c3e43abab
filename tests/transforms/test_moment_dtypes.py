"""Moments of Adam whose dtypes differ from those of what they are made of."""

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import regularizers, transforms


@pytest.mark.parametrize("regularizer", [regularizers.l1(0.0), regularizers.group_lasso(0.0, axis=0)])
@pytest.mark.parametrize("wide", ["b1", "b2", "state", "gradients", "mu_dtype"])
def test_moments_may_be_wider_than_what_they_are_made_of(regularizer, wide):
    def narrow(tree):
        return jax.tree.map(lambda x: x.astype(jnp.float32), tree)

    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        settings = {wide: np.float64(0.9)} if wide in ("b1", "b2") else {}
        settings |= {"mu_dtype": jnp.float32} if wide == "mu_dtype" else {}
        params = jnp.array([[1.0, -2.0], [0.5, 3.0]])
        gradients = 1 - params / 3
        params = params if wide in ("gradients", "mu_dtype") else narrow(params)
        gradients = gradients if wide in ("gradients", "mu_dtype") else narrow(gradients)
        want, ours = optax.adam(0.1, **settings), transforms.proximal_adam(0.1, regularizer, **settings)
        like = params if wide == "mu_dtype" else narrow(params)
        rtol = 1e-14 if wide == "mu_dtype" else 2e-4
        x, y = want.init(like), ours.init(like)
        if wide == "state":
            x, y = jax.tree.map(lambda s: np.asarray(s, "f8") if s.dtype == jnp.float32 else s, (x, y))
        for _ in range(2):
            u, x = want.update(gradients, x)
            v, y = ours.update(gradients, y, params)
            np.testing.assert_allclose(v, u, rtol=rtol)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # by Optax
def test_a_state_may_come_back_as_wide_numpy_arrays():
    params = jnp.array([1.0, -2.0])
    tx = transforms.proximal_adam(0.1, regularizers.l1(0.1))
    state = tx.init(params)
    wide = jax.tree.map(lambda s: np.asarray(s, "f8") if s.dtype == jnp.float32 else s, state)
    np.testing.assert_allclose(tx.update(params, wide, params)[0], tx.update(params, state, params)[0], rtol=1e-6)
