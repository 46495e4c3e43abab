"""Keys of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import STOCHASTIC

X = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_old_keys_give_the_numbers_of_new_ones(name):
    key = jax.random.key(3)
    new = STOCHASTIC[name](key, X)
    np.testing.assert_array_equal(STOCHASTIC[name](jax.random.key_data(key), X), new)
    np.testing.assert_array_equal(STOCHASTIC[name](np.asarray(jax.random.key_data(key)), X), new)
    assert new.shape == X.shape and new.dtype == X.dtype and jnp.isfinite(new).all()


def check_implementation(name, implementation):
    first, again, other = (STOCHASTIC[name](jax.random.key(seed, impl=implementation), X) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == X.shape and first.dtype == X.dtype and jnp.isfinite(first).all()
    assert other.shape == X.shape and jnp.isfinite(other).all()


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
@pytest.mark.parametrize("name", ["dropout", "dropout with 16 bits", "drop_connect", "residual_block skip"])
def test_keys_of_other_implementations(name, implementation):
    check_implementation(name, implementation)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_keys_of_other_implementations_everywhere(name, implementation):
    check_implementation(name, implementation)


def test_old_keys_follow_the_default_implementation():
    data = jax.random.key_data(jax.random.key(3, impl="rbg"))
    with jax.default_prng_impl("rbg"):
        assert STOCHASTIC["dropout"](data, X).shape == X.shape
        with pytest.raises(ValueError, match="`key` must be .*, got an array of shape \\(2,\\)"):
            STOCHASTIC["dropout"](data[:2], X)
