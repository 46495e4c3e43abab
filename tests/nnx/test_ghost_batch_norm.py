"""Ghost batch normalization in NNX: Flax's own layer on every virtual batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from regjax import linen
from regjax import nnx as layers

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(1, 2, (7, 4, 3)), jnp.float32)

# The dtype of the input, and arguments of the layer.
CASES = {
    "defaults": (jnp.float32, {}),
    "options": (jnp.float32, {"momentum": 0.5, "epsilon": 0.1, "use_fast_variance": True}),
    "bare": (jnp.float32, {"use_bias": False, "use_scale": False}),
    "half result": (jnp.float32, {"dtype": jnp.bfloat16}),
    "half input": (jnp.bfloat16, {}),
    "half parameters": (jnp.bfloat16, {"param_dtype": jnp.bfloat16, "scale_init": nnx.initializers.constant(2.0)}),
}


def ghost(virtual_batch_size=2, **options):
    return layers.GhostBatchNorm(3, virtual_batch_size=virtual_batch_size, rngs=nnx.Rngs(0), **options)


def pure(layer):
    return nnx.to_pure_dict(nnx.state(layer))


@nnx.jit
def train(layer, x, mask=None):
    def loss(layer, x):
        out = layer(x, mask=mask)
        return jnp.sum(jnp.sin(out.astype(jnp.float32))), out

    gradients, out = nnx.grad(loss, argnums=(0, 1), has_aux=True)(layer, x)
    return out, nnx.to_pure_dict(gradients[0]), gradients[1]


def assert_close(got, wanted, tolerance):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a, np.float32), np.asarray(b, np.float32), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "options"), CASES.values(), ids=CASES)
def test_one_group_is_flaxs_own_layer(dtype, options):
    one, other = ghost(7, **options), nnx.BatchNorm(3, rngs=nnx.Rngs(0), **options)
    assert_close(pure(one), pure(other), 0)
    half = dtype == jnp.bfloat16 or jnp.bfloat16 in options.values()
    # Where only the result is half, Flax rounds the inputs before it takes their statistics.
    tolerance = 5e-2 if "dtype" in options else 2e-2 if half else 2e-6
    assert_close(train(one, X.astype(dtype)), train(other, X.astype(dtype)), tolerance)
    assert_close(pure(one), pure(other), tolerance)
    # Checkpoints can be swapped, and evaluation is that of Flax, whatever the size of the batch.
    nnx.update(other, nnx.state(one))
    one.eval()
    np.testing.assert_array_equal(one(X[:5].astype(dtype)), other(X[:5].astype(dtype), use_running_average=True))
    assert_close(pure(one), pure(other), 0)


def test_the_numbers_are_those_of_linen():
    layer = ghost(2, momentum=0.5, axis=2)
    mask = jnp.asarray(RNG.random((7, 1, 1)) < 0.7)
    twin = linen.GhostBatchNorm(virtual_batch_size=2, momentum=0.5, axis=2)
    variables = twin.init(jax.random.key(0), X, False)
    for where in (None, mask):
        wanted, updates = jax.jit(lambda v, x, m: twin.apply(v, x, False, mask=m, mutable=["batch_stats"]))(
            variables, X, where
        )
        variables |= updates
        np.testing.assert_allclose(train(layer, X, where)[0], wanted, rtol=1e-6, atol=1e-6)
        assert_close({k: pure(layer)[k] for k in ("mean", "var")}, updates["batch_stats"], 1e-6)


def test_train_eval_and_view_switch_the_layer():
    layer = ghost()
    assert isinstance(layer, nnx.BatchNorm)
    moved = layer(X)
    layer.eval()
    before = pure(layer)
    still = layer(X)
    assert not np.allclose(moved, still)
    assert_close(pure(layer), before, 0)
    # The call wins.
    np.testing.assert_array_equal(layer(X, use_running_average=False), moved)
    layer.train()
    np.testing.assert_array_equal(layer(X), moved)
    np.testing.assert_array_equal(layer(X, True), nnx.BatchNorm.__call__(layer, X, True))
    if hasattr(nnx, "view"):
        before = pure(layer)
        view = nnx.view(layer, only=nnx.BatchNorm, use_running_average=True)
        np.testing.assert_array_equal(view(X), layer(X, True))
        assert_close(pure(layer), before, 0)
    unresolved = ghost(use_running_average=None)
    with pytest.raises(ValueError, match="No `use_running_average` argument was provided"):
        unresolved(X)


def test_layers_can_be_stacked_and_mapped():
    @nnx.split_rngs(splits=2)
    @nnx.vmap
    def stack_of(rngs):
        return layers.GhostBatchNorm(3, virtual_batch_size=4, rngs=rngs, momentum=0.5)

    stacked = stack_of(nnx.Rngs(0))
    batches = jnp.stack([X, X + 1])
    with jax.checking_leaks():
        out = nnx.jit(nnx.vmap(lambda layer, x: layer(x)))(stacked, batches)
    single = ghost(4, momentum=0.5)
    np.testing.assert_allclose(out[1], single(X + 1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(stacked.mean[...][1], single.mean[...], rtol=1e-5)
    # One layer over two devices: each has groups of its own, and both have the same running statistics.
    shared = ghost(4, momentum=0.5, axis_name="device")
    state_axes = nnx.StateAxes({...: None})
    nnx.vmap(lambda layer, x: layer(x), in_axes=(state_axes, 0), axis_name="device")(shared, batches)
    np.testing.assert_allclose(shared.mean[...], stacked.mean[...].mean(0), rtol=1e-5)
    np.testing.assert_allclose(shared.var[...], stacked.var[...].mean(0), rtol=1e-5)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`virtual_batch_size` must be >= 1, got 0"):
        ghost(0)
    with pytest.raises(TypeError, match="virtual_batch_size"):
        layers.GhostBatchNorm(3, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match="momentun"):
        ghost(2, momentun=0.9)
    with pytest.raises(ValueError, match="`axis` must not name axis 0, which is the batch"):
        ghost(2, axis=0)(jnp.ones((3, 4)))


def test_statistics_are_those_of_the_inputs_whatever_the_dtype_of_the_result():
    x = 1000 + jax.random.normal(jax.random.key(0), (64, 3))
    layer = layers.GhostBatchNorm(3, virtual_batch_size=32, dtype=jnp.bfloat16, momentum=0.0, rngs=nnx.Rngs(0))
    assert layer(x, use_running_average=False).dtype == jnp.bfloat16
    np.testing.assert_allclose(layer.var[...], np.var(np.reshape(x, (2, 32, 3)), axis=1).mean(axis=0), rtol=1e-3)
