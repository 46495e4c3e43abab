"""Functions one after the other, each with a key of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import compose


@pytest.mark.usefixtures("strict_promotion")
def test_the_order_and_the_keys():
    def draw(key, x):
        return [*x, jax.random.uniform(key)]

    first, second, third = (float(jax.random.uniform(k)) for k in jax.random.split(jax.random.key(0), 3))
    # What a function returns may be anything that the next one takes.
    result = jax.jit(compose(draw, lambda key, x: [2 * x[0], jax.random.uniform(key)], draw))(jax.random.key(0), [])
    np.testing.assert_allclose(result, [2 * first, second, third], rtol=1e-6)


def test_compositions_compose_and_nothing_is_the_identity():
    double = compose(lambda key, x: 2 * x)
    assert float(compose(double, lambda key, x: x + 1, double)(jax.random.key(0), jnp.float32(3))) == 14
    assert float(compose()(jax.random.key(0), jnp.float32(3))) == 3


def test_errors():
    with pytest.raises(TypeError, match=r"`fns\[1\]` must be a function of a key and an array, got None"):
        compose(lambda key, x: x, None)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        compose(lambda key, x: x)(0, jnp.ones(2))
