"""A small network whose derivatives are written out by hand, in NumPy and float64."""

import jax
import jax.numpy as jnp
import numpy as np


def params(inputs, outputs, hidden=7, seed=0):
    noise = np.random.default_rng(seed)
    shapes = {"first": (inputs, hidden), "bias": (hidden,), "second": (hidden, outputs)}
    return {name: noise.standard_normal(shape) for name, shape in shapes.items()}


def batch(inputs, size=4, seed=1):
    return np.random.default_rng(seed).standard_normal((size, inputs))


def single(tree, dtype=jnp.float32):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def network(p, x):
    return jnp.tanh(x @ p["first"] + p["bias"][None]) @ p["second"]


def jacobians(p, x):
    """Returns `[batch, outputs, inputs]`."""
    slope = 1 - np.tanh(x @ p["first"] + p["bias"]) ** 2
    return np.einsum("hc,bh,dh->bcd", p["second"], slope, p["first"])


def check(function, reference, p, rtol=2e-5):
    """Compares a float32 function of parameters, and its gradient, with a float64 reference and its differences."""
    value, gradient = jax.jit(jax.value_and_grad(function))(single(p))
    np.testing.assert_allclose(value, reference(p), rtol=rtol)
    noise = np.random.default_rng(7)
    for _ in range(3):
        direction = {name: noise.standard_normal(leaf.shape) for name, leaf in p.items()}
        ahead, behind = (reference({name: p[name] + step * direction[name] for name in p}) for step in (1e-5, -1e-5))
        slope = sum(np.sum(np.asarray(gradient[name], np.float64) * direction[name]) for name in p)
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=rtol)


@jax.custom_vjp
def custom_sine(x):
    return jnp.sin(x)


custom_sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


def looped(x):
    """Multiplies by 8 in a loop whose length JAX does not know."""
    return jax.lax.while_loop(lambda carry: carry[0] < 3, lambda carry: (carry[0] + 1, 2 * carry[1]), (0, x))[1]
