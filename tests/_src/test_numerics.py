"""Arithmetic that is safe at zero and in low precision."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src import blocks
from regjax._src.numerics import in_range, norm, number, product
from tests.jaxprs import equations


@pytest.mark.parametrize("block_size", [0, 2**18])
def test_second_derivatives_of_norms_go_backwards_through_loops(monkeypatch, block_size):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", block_size)
    x = jnp.array([[3.0], [0.0], [1e-12]])

    def twice(scale):
        last, _ = jax.lax.scan(lambda c, _: (scale * norm(c, (1,)), None), x, length=2)
        return jnp.sum(last / jnp.where(x > 0, x, 1))

    value, slope, bend = jax.jit(lambda s: (twice(s), jax.grad(twice)(s), jax.grad(jax.grad(twice))(s)))(0.5)
    np.testing.assert_allclose([value, slope, bend], [2 * 0.5**2, 2 * 2 * 0.5, 2 * 2], rtol=1e-6)


@pytest.mark.parametrize("block_size", [0, 2**18])
def test_norms_whose_squares_are_out_of_range(monkeypatch, block_size):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", block_size)
    x = jnp.array([[3e20, -4e20], [3.0, 4.0], [0.0, 0.0], [3e37, 0.0], [jnp.inf, 1.0], [jnp.nan, 1.0]])

    def everywhere(x):
        return in_range(norm(x, (1,)), (1,), lambda x: x, x)

    value, gradient = jax.jit(lambda x: (everywhere(x), jax.grad(lambda x: jnp.sum(everywhere(x)))(x)))(x)
    np.testing.assert_allclose(value[:, 0], [5e20, 5, 0, 3e37, np.inf, np.nan], rtol=1e-6)
    np.testing.assert_allclose(gradient[:4], [[0.6, -0.8], [0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("values", [(3, 0.1), (0.1,), (1e30, 1e30), (1e-30, 1e-30), (0.0, 1e300), (np.float64(0.1), 7)])
def test_a_product_of_known_numbers_is_one_constant(values):
    want = functools.reduce(jnp.multiply, (number(value, jnp.dtype(jnp.float32)) for value in values))
    got = product(jnp.dtype(jnp.float32), *values)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    assert not equations(jax.make_jaxpr(lambda: product(jnp.dtype(jnp.float32), *values))().jaxpr, "")


def test_a_product_with_an_unknown_number_is_traced():
    values = jax.vmap(lambda rate: product(rate.dtype, 0.1, rate, 3))(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(values, [0.3, 0.6], rtol=1e-6)
