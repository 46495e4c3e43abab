"""Stochastic depth: what is dropped together, and the rates of a stack of layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import dropout, stochastic_depth, stochastic_depth_rates


@pytest.mark.parametrize("rate", [0.25, jnp.float32(0.25)], ids=["static", "traced"])
def test_rows_are_dropped_whole_and_independently(rate):
    residual = jnp.arange(1.0, 2401.0).reshape(400, 2, 3)
    ratio = np.asarray(stochastic_depth(jax.random.key(0), residual, rate) / residual)
    rows = ratio[:, 0, 0]
    np.testing.assert_allclose(ratio, np.broadcast_to(rows[:, None, None], ratio.shape), rtol=1e-6)
    kept = rows > 0
    np.testing.assert_allclose(rows[kept], 4 / 3, rtol=1e-6)
    assert abs(kept.sum() - 300) < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_a_batch_is_dropped_as_one():
    keys = jax.random.split(jax.random.key(1), 2000)
    results = np.asarray(jax.vmap(lambda key: stochastic_depth(key, jnp.ones((3, 2)), 0.5, mode="batch"))(keys))
    assert set(np.unique(results)) == {0.0, 2.0}
    assert (results == results[:, :1, :1]).all()
    assert abs((results[:, 0, 0] > 0).sum() - 1000) < 5 * np.sqrt(500)
    assert float(stochastic_depth(jax.random.key(2), 1.0, 0.5, mode="batch")) in (0.0, 2.0)


def test_it_is_dropout_with_shared_axes():
    x = jnp.arange(24.0).reshape(4, 3, 2)
    for mode, dims in (("row", (1, 2)), ("batch", (0, 1, 2))):
        got = stochastic_depth(jax.random.key(3), x, 0.5, mode=mode)
        np.testing.assert_array_equal(got, dropout(jax.random.key(3), x, 0.5, broadcast_dims=dims))


def test_what_cannot_be_dropped_is_refused():
    with pytest.raises(ValueError, match=r"`residual` must have a leading axis, got shape \(\)"):
        stochastic_depth(jax.random.key(0), jnp.float32(1.0), 0.5)
    with pytest.raises(ValueError, match="`mode` must be one of 'row', 'batch', got 'rows'"):
        stochastic_depth(jax.random.key(0), jnp.ones(2), 0.5, mode="rows")
    with pytest.raises(TypeError, match="`residual` must be a floating array"):
        stochastic_depth(jax.random.key(0), jnp.ones(2, int), 0.5)


def test_rates_grow_linearly_and_include_both_ends():
    assert stochastic_depth_rates(1, 0.4) == (0.0,)
    assert stochastic_depth_rates(2, 0.4) == (0.0, 0.4)
    np.testing.assert_allclose(stochastic_depth_rates(5, 0.4), [0, 0.1, 0.2, 0.3, 0.4])
    for layers in range(2, 60):
        assert stochastic_depth_rates(layers, 0.3)[-1] == 0.3
    traced = jax.jit(lambda rate: jnp.stack(stochastic_depth_rates(3, rate)))(0.5)
    np.testing.assert_allclose(traced, [0, 0.25, 0.5])


def test_rates_must_make_sense():
    with pytest.raises(ValueError, match="`num_layers` must be >= 1, got 0"):
        stochastic_depth_rates(0, 0.4)
    with pytest.raises(TypeError, match=r"`num_layers` must be a Python integer, got 2.0"):
        stochastic_depth_rates(2.0, 0.4)
    with pytest.raises(ValueError, match=r"`max_rate` must be in \[0, 1\], got 1.1"):
        stochastic_depth_rates(2, 1.1)
