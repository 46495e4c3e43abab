"""Ghost batch normalization in Linen: Flax's own layer on every virtual batch."""

import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import linen
from tests.processes import with_devices

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(1, 2, (8, 4, 3)), jnp.float32)

# The dtype of the input, and fields of the layer.
CASES = {
    "defaults": (jnp.float32, {}),
    "fields": (
        jnp.float32,
        {
            "momentum": 0.5,
            "epsilon": 0.1,
            "axis": 1,
            "use_fast_variance": True,
            "scale_init": nn.initializers.constant(2.0),
            "bias_init": nn.initializers.normal(),
        },
    ),
    "bare": (jnp.float32, {"use_bias": False, "use_scale": False}),
    "half result": (jnp.float32, {"dtype": jnp.bfloat16}),
    "half input": (jnp.bfloat16, {}),
    "half statistics": (jnp.bfloat16, {"param_dtype": jnp.bfloat16, "force_float32_reductions": False}),
}


def pair(virtual_batch_size, **options):
    return linen.GhostBatchNorm(virtual_batch_size=virtual_batch_size, **options), nn.BatchNorm(**options)


def init(layer, x=X):
    return jax.jit(lambda key, x: layer.init(key, x, False))(jax.random.key(0), x)


def train(layer, variables, x, *args, **options):
    """Calls the layer, with `use_running_average=False` unless told otherwise."""
    return jax.jit(lambda v, x: layer.apply(v, x, *(args or (False,)), mutable=["batch_stats"], **options))(
        variables, x
    )


def trained(layers, variables, x, **options):
    """Returns outputs, statistics after one step, and gradients for parameters and inputs, for each of the layers."""

    def step(layer, variables, x):
        def loss(params, x):
            out, updates = layer.apply(variables | params, x, False, mutable=["batch_stats"], **options)
            return jnp.sum(jnp.sin(out.astype(jnp.float32))), (out, updates)

        params = {"params": variables.get("params", {})}
        gradients, (out, updates) = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
        return out, updates, gradients

    return jax.jit(lambda *args: [step(layer, *args) for layer in layers])(variables, x)


def assert_close(got, wanted, tolerance):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a, np.float32), np.asarray(b, np.float32), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "options"), CASES.values(), ids=CASES)
def test_one_group_is_flaxs_own_layer(dtype, options):
    ghost, flax = pair(8, **options)
    x = X.astype(dtype)
    variables = init(flax, x)
    assert_close(init(ghost, x), variables, 0)
    half = dtype == jnp.bfloat16 or jnp.bfloat16 in options.values()
    got, wanted = trained([ghost, flax], variables, x)
    assert_close(got, wanted, 2e-2 if half else 1e-6)
    # Evaluation from the same statistics, whatever the size of the batch.
    variables |= got[1]
    for batch in (x, x[:5]):
        y, z = (layer.apply(variables, batch, True) for layer in (ghost, flax))
        np.testing.assert_array_equal(y, z)
    np.testing.assert_array_equal(ghost.clone(use_running_average=True).apply(variables, batch), z)


@pytest.mark.parametrize("rows", [[4, 4], [3, 3, 2]], ids=str)
def test_every_group_is_flaxs_own_layer(rows):
    ghost, flax = pair(rows[0], momentum=0.9)
    variables = init(flax)
    variables["params"] = {"scale": jnp.array([0.5, 1.0, 2.0]), "bias": jnp.array([1.0, 0.0, -1.0])}
    groups = jnp.split(X, np.cumsum(rows)[:-1])

    @jax.jit
    def run(x, groups):
        options = {"use_running_average": False, "mutable": ["batch_stats"]}
        return ghost.apply(variables, x, **options), [flax.apply(variables, group, **options) for group in groups]

    (out, updates), single = run(X, groups)
    outs, statistics = zip(*single, strict=True)
    np.testing.assert_allclose(out, jnp.concatenate(outs), rtol=1e-5, atol=1e-6)
    wanted = jax.tree.map(lambda *groups: np.average(groups, axis=0, weights=rows).astype(np.float32), *statistics)
    assert_close(updates, wanted, 1e-6)


def test_the_running_mean_is_that_of_the_batch_and_the_variance_that_within_groups():
    layer = linen.GhostBatchNorm(virtual_batch_size=2, momentum=0.0)
    updates = train(layer, init(layer), X)[1]["batch_stats"]
    means = np.asarray(X).reshape(4, 8, 3).mean(1)
    np.testing.assert_allclose(updates["mean"], means.mean(0), rtol=1e-5)
    np.testing.assert_allclose(updates["var"] + means.var(0), np.asarray(X).var((0, 1)), rtol=1e-5)


def test_a_mask_works_as_in_flax():
    mask = jnp.asarray(RNG.random((8, 4, 1)) < 0.7)
    ghost, flax = pair(8)
    variables = init(flax)
    assert_close(*trained([ghost, flax], variables, X, mask=mask), 2e-6)
    # A batch that was filled up to keep its shape, so that whole groups are masked.
    ghost = linen.GhostBatchNorm(virtual_batch_size=2)
    full = jnp.pad(X, [(0, 4), (0, 0), (0, 0)], constant_values=7.0)
    real = (jnp.arange(12) < 8)[:, None, None]
    out, updates = train(ghost, variables, full, mask=real)
    wanted, wanted_updates = train(ghost, variables, X)
    np.testing.assert_allclose(out[:8], wanted, rtol=1e-6, atol=1e-6)
    assert_close(updates, wanted_updates, 1e-6)
    assert np.isfinite(out).all()
    # In evaluation there is nothing to leave out.
    np.testing.assert_array_equal(ghost.apply(variables, X, True, mask=mask), flax.apply(variables, X, True))


def test_statistics_move_only_where_they_may():
    layer = linen.GhostBatchNorm(virtual_batch_size=4, axis_name="device")
    # While parameters are made, there is no mapped axis, and nothing moves.
    variables = init(layer)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], 1)
    with pytest.raises(ValueError, match="`axis_name` must name axes .* got 'device'"):
        layer.apply(variables, X, False, mutable=["batch_stats"])
    over_devices = jax.vmap(lambda x: train(layer, variables, x), axis_name="device")
    y, updates = jax.jit(over_devices)(X.reshape(2, 4, 4, 3))
    wanted, wanted_updates = train(linen.GhostBatchNorm(virtual_batch_size=4), variables, X)
    np.testing.assert_allclose(y.reshape(X.shape), wanted, rtol=1e-6, atol=1e-6)
    for device in range(2):
        assert_close(jax.tree.map(lambda a, d=device: a[d], updates), wanted_updates, 1e-6)


def test_in_a_model_under_scan_and_with_the_name_of_flaxs_layer(scan):
    class Block(nn.Module):
        layer: type[nn.Module]
        options: dict[str, int]

        @nn.compact
        def __call__(self, x, train):
            x = self.layer(use_running_average=not train, name="BatchNorm_0", **self.options)(nn.Dense(3)(x))
            return nn.relu(x), None

    def model(layer, **options):
        axes = {"params": 0, "batch_stats": 0}
        return scan(Block, axes, split_rngs={"params": True}, length=3, in_axes=nn.broadcast)(layer, options)

    ghost, flax = model(linen.GhostBatchNorm, virtual_batch_size=8), model(nn.BatchNorm)
    variables = jax.jit(lambda key: flax.init(key, X, True))(jax.random.key(0))
    (out, _), updates = train(ghost, variables, X, True)
    (wanted, _), wanted_updates = train(flax, variables, X, True)
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)
    assert_close(updates, wanted_updates, 1e-5)


@pytest.mark.usefixtures("strict_promotion")
def test_strict_promotion():
    layer = linen.GhostBatchNorm(virtual_batch_size=2)
    variables = init(layer)
    out, updates = train(layer, variables, X)
    assert layer.apply(variables | updates, X, True).dtype == out.dtype == jnp.float32


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`virtual_batch_size` must be >= 1, got 0"):
        linen.GhostBatchNorm(virtual_batch_size=0)
    with pytest.raises(TypeError, match="`virtual_batch_size` must be a Python integer, got 2.0"):
        linen.GhostBatchNorm(virtual_batch_size=2.0)
    with pytest.raises(TypeError, match="virtual_batch_size"):
        linen.GhostBatchNorm()
    layer = linen.GhostBatchNorm(virtual_batch_size=2)
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype int32"):
        layer.init(jax.random.key(0), jnp.ones((4, 3), jnp.int32), False)
    with pytest.raises(ValueError, match="`axis` must not name axis 0, which is the batch"):
        layer.init(jax.random.key(0), jnp.ones(3), False)
    # As in Flax's layer, the flag is given once.
    with pytest.raises(ValueError, match="use_running_average"):
        layer.init(jax.random.key(0), X)
    with pytest.raises(ValueError, match="use_running_average"):
        layer.clone(use_running_average=True).init(jax.random.key(0), X, False)


PROGRAM = """
import functools, re
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from regjax import linen

assert jax.device_count() == 8
x = jax.random.normal(jax.random.key(0), (64, 3))
layer = linen.GhostBatchNorm(virtual_batch_size=4)
variables = layer.init(jax.random.key(0), x, False)
step = jax.jit(functools.partial(layer.apply, use_running_average=False, mutable=["batch_stats"]))
expected = step(variables, x)
sharded = jax.device_put(x, NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data")))
jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), step(variables, sharded), expected)
program = step.lower(variables, sharded).compile().as_text()
moves = re.findall(r" = (\\S+) (?:all-reduce|all-gather|all-to-all|collective-permute)\\(", program)
print(len(moves), np.prod([int(size) for size in re.search(r"\\[(.*)\\]", moves[0])[1].split(",")]))
"""


def test_where_devices_hold_whole_groups_only_the_running_statistics_travel():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=with_devices(8))
    # Sums of means and of variances, and counts, of three features.
    assert done.stdout.strip() == "1 9", done.stdout + done.stderr
