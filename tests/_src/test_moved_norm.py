"""Norms of units that are about to move."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from regjax._src import moved_norm as module
from regjax._src.moved_norm import moved_norm
from regjax._src.numerics import norm

CASES = [
    ((31, 5), (0,)),  # a remainder of rows, and one of the totals of rows
    ((3, 4, 5), (0, 1)),
    ((5, 37), (1,)),
    ((5, 2, 3), (1, 2)),
    ((4, 3, 5), (1,)),
    ((3, 4, 5), (0, 2)),
    ((6, 4), (0, 1)),
    ((6,), ()),
]


@pytest.fixture(autouse=True, params=[0, 2**13], ids=["wide", "narrow"])
def width(monkeypatch, request):
    monkeypatch.setattr(module, "_WIDE", request.param)


def pair(shape, dtype=jnp.float32):
    return [jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype) for seed in range(2)]


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("after", [np.inf, np.nan, -1.0])
def test_equals_the_norm_of_the_sum(shape, axes, after):
    u, p = pair(shape)
    same, have = jax.jit(moved_norm, static_argnums=3)(u, p, jnp.float32(after), axes)
    np.testing.assert_array_equal(same, u)
    total = np.add(u, p).astype(np.float64)
    np.testing.assert_allclose(have, np.sqrt((total**2).sum(axes, keepdims=True)), rtol=3e-7)


def test_narrow_leaves_are_measured_in_float32():
    u, p = pair((9, 4), jnp.bfloat16)
    same, have = moved_norm(u, p, jnp.bfloat16(0), (0,))
    assert same.dtype == jnp.bfloat16 and have.dtype == jnp.float32
    np.testing.assert_allclose(have, norm(u.astype(jnp.float32) + p.astype(jnp.float32), (0,)), rtol=3e-7)


@pytest.mark.parametrize("axes", [(0,), pytest.param((1,), marks=pytest.mark.slow)])
def test_derivatives_of_every_kind(axes):
    u, p = pair((9, 4))
    p = p.at[:, 0].set(-u[:, 0]).at[0].set(-u[0])  # a column and a row that move to zero

    def blocked(u, p):
        same, have = moved_norm(u, p, p[0, 0], axes)
        return jnp.sum(jnp.sin(have)) + jnp.sum(same**3)

    def plain(u, p):
        return jnp.sum(jnp.sin(norm(u + p, axes))) + jnp.sum(u**3)

    def everything(f):
        derivatives = [derivative(u, p) for derivative in (jax.grad(f, (0, 1)), jax.hessian(f), jax.jacfwd(f, 1))]
        return derivatives, jax.vmap(f)(jnp.stack([u, 2 * u]), jnp.stack([p, p]))

    (ours, mapped), (wanted, wanted_mapped) = (jax.jit(lambda f=f: everything(f))() for f in (blocked, plain))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), ours, wanted)
    np.testing.assert_allclose(mapped, wanted_mapped, rtol=1e-5)


def test_it_is_the_plain_formula_elsewhere():
    x = jax.ShapeDtypeStruct((50, 7), jnp.float32)
    number = jax.ShapeDtypeStruct((), jnp.float32)
    step = jax.jit(moved_norm, static_argnums=3)
    exported = {kind: export.export(step, platforms=[kind])(x, x, number, (0,)) for kind in ("cpu", "cuda")}
    assert "stablehlo.while" in exported["cpu"].mlir_module()
    elsewhere = exported["cuda"].mlir_module()
    # The lowest supported version leaves the choice to XLA.
    assert "stablehlo.while" not in elsewhere or "stablehlo.case" in elsewhere


def test_many_rows_lose_few_digits():
    p = jax.random.uniform(jax.random.key(0), (1_000_003, 4))
    _, have = jax.jit(moved_norm, static_argnums=3)(jnp.zeros_like(p), p, p[0, 0], (0,))
    exact = np.linalg.norm(np.asarray(p, np.float64), axis=0, keepdims=True)
    np.testing.assert_allclose(have, exact, rtol=6e-7)


def test_norms_whose_squares_are_out_of_range_are_right_elsewhere_too(monkeypatch):
    def elsewhere(*arguments, cpu, default):
        return default(*arguments)

    monkeypatch.setattr(jax.lax, "platform_dependent", elsewhere)
    for rows in (2, 2**18):  # a small leaf and a large one
        x = jnp.full((rows, 2), 3e20)
        _, norms = moved_norm.__wrapped__(jnp.zeros_like(x), x, jnp.float32(0), (0,))
        np.testing.assert_allclose(norms, 3e20 * rows**0.5, rtol=1e-4)
