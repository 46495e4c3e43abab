"""Sharded arrays under `jit` give the numbers of unsharded ones, on eight devices made of one CPU."""

import os
import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import NamedSharding, PartitionSpec
import regjax

assert jax.device_count() == 8
mesh = jax.sharding.Mesh(np.array(jax.devices()).reshape(4, 2), ("data", "model"))  # axes that the compiler handles

def put(x, *spec):
    return jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))

key = jax.random.key(0)
kernel = jax.random.normal(jax.random.key(1), (16, 8))
params, grads = {"kernel": kernel}, {"kernel": 0.1 * kernel}
tx = optax.chain(
    regjax.transforms.add_penalty_gradients(regjax.regularizers.l2(0.1)),
    optax.adam(0.1),
    regjax.transforms.decoupled_weight_decay(0.1, 0.1, anchor="initial"),
    regjax.transforms.proximal_step(regjax.regularizers.sparse_group_lasso(0.1, 0.1, axis=1), 0.1),
    regjax.transforms.proximal_adam(0.1, regjax.regularizers.group_lasso(0.1, axis=0)),
    regjax.transforms.project(regjax.constraints.max_norm(1.5)),
)

@jax.jit
def step(params, grads, key):
    updates, state = tx.update(grads, tx.init(params), params)
    x = regjax.stochastic.dropout(key, params["kernel"], 0.5)
    block = regjax.stochastic.residual_block(key, jnp.sin, params["kernel"], 0.5)
    simplex = regjax.projections.simplex(params["kernel"], axis=0)
    return optax.apply_updates(params, updates)["kernel"], x, block, simplex

expected = step(params, grads, key)
for spec in (("data", None), (None, "model"), ("data", "model")):
    got = step({"kernel": put(kernel, *spec)}, {"kernel": put(0.1 * kernel, *spec)}, key)
    for a, b in zip(got, expected):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_array_equal(got[1], expected[1])
print("equal")
"""


def test_sharded_equals_unsharded():
    flags = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=flags)
    assert done.stdout.strip() == "equal", done.stderr
