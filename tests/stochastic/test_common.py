"""What every function of a key and an array owes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import STOCHASTIC

pytestmark = pytest.mark.usefixtures("strict_promotion")


every_function = pytest.mark.parametrize("function", STOCHASTIC.values(), ids=STOCHASTIC)


@every_function
def test_jit_equals_eager_and_vmap_equals_a_loop(function):
    x = jnp.linspace(-2.0, 2.0, 24).reshape(3, 4, 2)
    run = jax.jit(function)
    np.testing.assert_allclose(run(jax.random.key(0), x[0]), function(jax.random.key(0), x[0]), rtol=1e-6)
    mapped = jax.jit(jax.vmap(function))(jax.random.split(jax.random.key(1), 3), x)
    looped = [run(key, row) for key, row in zip(jax.random.split(jax.random.key(1), 3), x, strict=True)]
    np.testing.assert_allclose(mapped, jnp.stack(looped), rtol=1e-6, atol=1e-7)


@every_function
def test_dtype_and_shape_are_kept(function):
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        for shape in ((4, 3), (0, 3)):
            y = jax.eval_shape(function, jax.random.key(0), jax.ShapeDtypeStruct(shape, dtype))
            assert y.dtype == dtype
            assert y.shape == shape
    jax.block_until_ready(function(jax.random.key(0), jnp.ones((0, 3), jnp.bfloat16)))


@every_function
def test_gradient_equals_finite_differences(function):
    x = jnp.linspace(-1.0, 1.0, 8).reshape(4, 2) + 0.05
    weights = jnp.cos(jnp.arange(8.0)).reshape(4, 2)

    def total(x):
        return (weights * function(jax.random.key(2), x)).sum()

    direction = jnp.sin(jnp.arange(8.0)).reshape(4, 2)
    slope = (total(x + 1e-2 * direction) - total(x - 1e-2 * direction)) / 2e-2
    with jax.debug_nans(True):
        _, forward = jax.jvp(total, (x,), (direction,))
    np.testing.assert_allclose(forward, slope, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose((jax.grad(total)(x) * direction).sum(), forward, rtol=1e-4, atol=1e-5)


@every_function
def test_the_result_depends_on_the_key_and_on_nothing_else(function):
    x = jnp.ones((8, 2))
    run = jax.jit(function)
    results = [np.asarray(run(jax.random.key(seed), x)).tobytes() for seed in (*range(8), *range(8))]
    assert results[:8] == results[8:]
    assert len(set(results)) > 1


@every_function
def test_kinds_are_checked(function):
    x = jnp.ones((4, 2))
    if function is not STOCHASTIC["drop_connect"]:  # whose integer leaves pass through
        with pytest.raises(TypeError, match="must be a floating array, got dtype int32"):
            function(jax.random.key(0), jnp.ones((4, 2), jnp.int32))
    with pytest.raises(TypeError, match=r"must be a number or a scalar array, got '0.5'"):
        function(jax.random.key(0), x, "0.5")
    for rate in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="must be"):
            function(jax.random.key(0), x, rate)
    with pytest.raises(ValueError, match="must be a scalar, got shape"):
        function(jax.random.key(0), x, np.array([0.1, 0.2]))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        function(0, x)
    with pytest.raises(ValueError, match="`key` must be a single PRNG key, got an array of keys of shape"):
        function(jax.random.split(jax.random.key(0), 2), x)
