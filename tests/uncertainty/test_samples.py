import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.uncertainty import mc_classify, mc_regress, mc_samples

BATCH_SIZES = [None, 1, 3, 5, 10, 64]


def bits(key, x):
    return x ^ jax.random.bits(key, x.shape)  # integers, so that results can be compared to the last bit


def noisy(key, x):
    return x + jax.random.normal(key, x.shape)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_sample_i_has_key_i_whatever_the_batch_size(key, batch_size):
    x = jnp.arange(3, dtype=jnp.uint32)
    samples = mc_samples(bits, key, x, num_samples=10, batch_size=batch_size)
    expected = jax.jit(jax.vmap(lambda i: bits(jax.random.fold_in(key, i), x)))(jnp.arange(10))
    np.testing.assert_array_equal(samples, expected)


def test_fewer_samples_are_the_first_ones(key):
    x = jnp.arange(3, dtype=jnp.uint32)
    many = jax.jit(lambda x: mc_samples(bits, key, x, num_samples=10, batch_size=4))(x)
    few = jax.jit(lambda x: mc_samples(bits, key, x, num_samples=4, batch_size=3))(x)
    np.testing.assert_array_equal(few, many[:4])


def test_trees_and_arguments_that_are_no_arrays(key):
    def fn(key, shape, kind):
        return {"noise": jax.random.normal(key, shape), kind: (jnp.int32(7), None)}

    samples = mc_samples(fn, key, (2, 3), "label", num_samples=5, batch_size=2)
    assert samples["noise"].shape == (5, 2, 3)
    np.testing.assert_array_equal(samples["label"][0], [7] * 5)
    assert samples["label"][1] is None


def test_jit_and_vmap_over_keys(key):
    def run(key, x):
        return mc_samples(bits, key, x, num_samples=3, batch_size=2)

    x = jnp.arange(3, dtype=jnp.uint32)
    keys = jax.random.split(key, 2)
    mapped = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, x)
    one = jax.jit(run)
    np.testing.assert_array_equal(mapped, np.stack([one(keys[0], x), one(keys[1], x)]))


def test_gradient(key):
    def total(x):
        return jnp.sum(mc_samples(lambda key, x: x * jax.random.normal(key, ()), key, x, num_samples=5, batch_size=2))

    draws = jax.jit(lambda key: mc_samples(jax.random.normal, key, (), num_samples=5))(key)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(2.0), np.sum(draws), rtol=1e-6)


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_rbg_keys(impl):
    key = jax.random.key(0, impl=impl)
    x = jnp.zeros(50, jnp.uint32)
    alone = mc_samples(bits, key, x, num_samples=6)
    np.testing.assert_array_equal(alone[4], bits(jax.random.fold_in(key, 4), x))
    # Under vmap the numbers are others, yet no sample repeats another.
    batched = mc_samples(bits, key, x, num_samples=6, batch_size=4)
    assert len(np.unique(np.asarray(batched))) == 300


@pytest.mark.parametrize("run", [mc_samples, mc_classify, mc_regress])
def test_one_at_a_time_needs_no_vmap(run, key):
    def fn(key):
        # A call to the host that does not say how it is mapped.
        noise = jax.random.normal(key, (3,))
        return jax.pure_callback(lambda x: np.asarray(x), jax.ShapeDtypeStruct((3,), jnp.float32), noise)

    result = run(fn, key, num_samples=4)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(result))


def test_old_style_keys():
    key = jax.random.key_data(jax.random.key(0))
    samples = mc_samples(bits, key, jnp.zeros(2, jnp.uint32), num_samples=3, batch_size=2)
    np.testing.assert_array_equal(
        samples, mc_samples(bits, jax.random.key(0), jnp.zeros(2, jnp.uint32), num_samples=3, batch_size=2)
    )


@pytest.mark.parametrize("run", [mc_samples, mc_classify, mc_regress])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "`num_samples` must be >= 1, got 0"),
        ({"num_samples": -3}, ValueError, "`num_samples` must be >= 1, got -3"),
        ({"num_samples": 2.0}, TypeError, "`num_samples` must be a Python integer, got 2.0"),
        ({"num_samples": 2, "batch_size": 0}, ValueError, "`batch_size` must be >= 1, got 0"),
        ({"num_samples": 2, "batch_size": True}, TypeError, "`batch_size` must be a Python integer, got True"),
    ],
)
def test_refuses_numbers(run, arguments, error, message, key):
    with pytest.raises(error, match=message):
        run(noisy, key, jnp.zeros(3), **arguments)


@pytest.mark.parametrize("run", [mc_samples, mc_classify, mc_regress])
def test_refuses_what_is_no_key(run, key):
    with pytest.raises(TypeError, match="`fn` must be a function of a key"):
        run(key, noisy, jnp.zeros(3), num_samples=2)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        run(noisy, jnp.zeros(3), key, num_samples=2)
    with pytest.raises(ValueError, match="`key` must be a single PRNG key"):
        run(noisy, jax.random.split(key, 2), jnp.zeros(3), num_samples=2)
