"""Arrays in blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from regjax._src import blocks


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 12)
    monkeypatch.setattr(blocks, "_STRETCH", 2)


def centered(axes):
    return lambda x, y: x - jnp.mean(x * y, axes, keepdims=True)


CASES = [((5, 7), (0,)), ((5, 7), (1,)), ((2, 3, 4, 9), (0, 2)), ((6, 5), ()), ((3, 40), (1,))]


@pytest.mark.parametrize(("shape", "axes"), CASES)
@pytest.mark.parametrize("waits", [False, True])
def test_equals_the_plain_call(shape, axes, waits):
    assert blocks.is_cut(shape, axes)
    x, y = (jax.random.normal(jax.random.key(i), shape) for i in range(2))
    function = centered(axes)
    after = jnp.float32(jnp.nan) if waits else None
    got = jax.jit(lambda x, y: blocks.in_blocks(function, axes, x, y, after=after))(x, y)
    np.testing.assert_allclose(got, function(x, y), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "axes"), [((5, 2), (0,)), ((3, 4), (0, 1)), ((), ()), ((1, 40), (1,)), ((0, 40), (0,))]
)
def test_small_arrays_and_large_groups_are_not_cut(shape, axes):
    assert not blocks.is_cut(shape, axes)
    x = jnp.ones(shape)
    assert blocks.in_blocks(lambda x: x, axes, x) is x


def test_derivatives_and_vmap():
    x, y = (jax.random.normal(jax.random.key(i), (5, 7)) for i in range(2))

    def total(run):
        return lambda x: jnp.sum(jnp.sin(run(x)))

    def in_blocks(x):
        return blocks.in_blocks(centered((0,)), (0,), x, y)

    def plain(x):
        return centered((0,))(x, y)

    np.testing.assert_allclose(jax.grad(total(in_blocks))(x), jax.grad(total(plain))(x), rtol=1e-5, atol=1e-6)
    batch = jnp.stack([x, 2 * x])
    np.testing.assert_allclose(jax.vmap(in_blocks)(batch), jax.vmap(plain)(batch), rtol=1e-5, atol=1e-6)


def test_blocks_are_a_loop_on_cpu_only():
    x = jax.ShapeDtypeStruct((50, 7), jnp.float32)

    def step(x):
        return blocks.in_blocks(lambda x: 2 * x, (1,), x)

    exported = {platform: export.export(jax.jit(step), platforms=[platform])(x) for platform in ("cpu", "cuda")}
    assert "while" in exported["cpu"].mlir_module()
    assert "while" not in exported["cuda"].mlir_module()


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((3, 3, 5, 7), (0, 1, 2), ((45, 7), (0,))),
        ((3, 3, 5, 7), (0, 1, 3), ((9, 5, 7), (0, 2))),
        ((1, 6, 4), (1,), ((6, 4), (0,))),
        ((6, 1, 4), (0,), ((6, 4), (0,))),
        ((1, 4), (0,), ((1, 4), (0,))),
        ((2, 3), (), ((6,), ())),
        ((2, 3), (0, 1), ((6,), (0,))),
        ((), (), ((), ())),
    ],
)
def test_neighboring_axes_are_merged(shape, axes, expected):
    assert blocks.merged(shape, axes) == expected


def test_arrays_of_several_devices_are_not_cut(monkeypatch):
    assert blocks.is_large((50, 7))
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert not blocks.is_large((50, 7))
