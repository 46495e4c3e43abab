"""Feature-alpha dropout: alpha dropout of whole channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.stochastic import alpha_dropout, feature_alpha_dropout


@pytest.mark.parametrize(("shape", "axes"), [((3, 4), ()), ((3, 5, 4), (1,)), ((3, 2, 5, 4), (1, 2))], ids=str)
def test_it_is_alpha_dropout_with_one_bit_for_all_of_space(shape, axes):
    x = jax.random.normal(jax.random.key(0), shape)

    @jax.jit
    def run(traced):
        rates = (0.4, traced, 1.0)
        return [feature_alpha_dropout(jax.random.key(1), x, rate) for rate in rates], [
            alpha_dropout(jax.random.key(1), x, rate, broadcast_dims=axes) for rate in rates
        ]

    jax.tree.map(np.testing.assert_array_equal, *run(0.7))


def test_channels_are_dropped_whole_for_every_example_by_itself():
    y = np.asarray(feature_alpha_dropout(jax.random.key(0), jnp.full((6, 4, 4, 40), 5.0), 0.5))
    assert (y == y[:, :1, :1]).all()
    assert len(np.unique(y)) == 2
    assert len({bits.tobytes() for bits in y[:, 0, 0]}) == 6


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_mean_and_variance_are_kept_in_expectation(rate):
    x_key, key = jax.random.split(jax.random.key(0))
    x = jax.random.normal(x_key, (20_000, 3, 3, 2))
    y = np.asarray(feature_alpha_dropout(key, x, rate), np.float64)
    # Over one position of one channel, the examples are independent.
    means, squares = y.mean(0), (y**2).mean(0)
    assert (np.abs(means) < 5 * y.std(0) / np.sqrt(len(y))).all()
    assert (np.abs(squares - 1) < 5 * (y**2).std(0) / np.sqrt(len(y))).all()


def test_an_array_without_channels_is_an_error():
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, \*spatial, channels\] with 0 or more"):
        feature_alpha_dropout(jax.random.key(0), jnp.ones(3), 0.5)
