import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.uncertainty._passes import Chunk


@pytest.mark.parametrize("size", [1, 2, 8, 9, 21])
def test_a_chunk_adds_up_its_valid_samples(size):
    samples = jnp.arange(1.0, 3 * size + 1).reshape(size, 3)
    valid = jnp.arange(size) < max(size - 2, 1)

    def total(samples):
        return Chunk(samples, valid, jnp.int32(0), valid.sum()).sum(samples)

    np.testing.assert_array_equal(jax.jit(total)(samples), np.asarray(samples)[np.asarray(valid)].sum(0))
    np.testing.assert_array_equal(jax.jacrev(total)(samples)[0, :, 0], valid)
    np.testing.assert_array_equal(total(samples.astype(jnp.int32)), total(samples))


def test_what_is_not_valid_may_be_anything():
    chunk = Chunk(None, jnp.array([True, False]), jnp.int32(0), jnp.int32(1))
    np.testing.assert_array_equal(chunk.sum(jnp.array([[1.0], [jnp.nan]])), [1])
