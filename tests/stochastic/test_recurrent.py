"""Recurrent use of dropout: one mask for all times."""

import jax
import jax.numpy as jnp
import numpy as np

from regjax import stochastic


def test_sequences_lose_the_same_features_at_all_times_and_examples_others():
    x = jnp.ones((6, 5, 20))
    y = np.asarray(stochastic.dropout(jax.random.key(0), x, 0.5, broadcast_dims=(1,)))
    assert (y == y[:, :1]).all()
    assert len({mask.tobytes() for mask in y[:, 0]}) == 6


def test_factors_drawn_before_a_scan_drop_the_state_as_the_paper_has_it():
    # h_t = tanh(W x_t + U (h_{t-1} * m)) with one m, against the loop in NumPy.
    rng = np.random.default_rng(0)
    x, w, u = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 2, 3), (3, 8), (8, 8)))

    @jax.jit
    def run(key):
        factors = stochastic.dropout(key, jnp.ones((2, 8)), 0.5)

        def step(state, x):
            state = jnp.tanh(x @ w + (factors * state) @ u)
            return state, state

        return factors, jax.lax.scan(step, jnp.zeros((2, 8)), x)[1]

    factors, states = run(jax.random.key(1))
    factors = np.asarray(factors)
    assert set(factors.ravel()) == {0.0, 2.0}
    state = np.zeros((2, 8))
    for time in range(5):
        state = np.tanh(x[time] @ w + (factors * state) @ u)
        np.testing.assert_allclose(states[time], state, atol=1e-5)
