import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, prox, regularizers, transforms
from regjax._src import blocks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_after_every_step_no_unit_exceeds_the_bound(dtype):
    x = jnp.asarray(RNG.standard_normal((64, 8)), dtype)
    y = jnp.asarray(10 * RNG.standard_normal((64, 4)), dtype)
    params = {
        "Dense_0": {"kernel": jnp.asarray(RNG.standard_normal((8, 16)), dtype), "bias": jnp.zeros(16, dtype)},
        "Dense_1": {"kernel": jnp.asarray(RNG.standard_normal((16, 4)), dtype), "bias": jnp.zeros(4, dtype)},
    }
    tx = optax.chain(optax.adam(0.05), transforms.project(constraints.max_norm(1.5, mask="**/kernel")))

    def loss(params):
        hidden = jax.nn.relu(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None])
        return jnp.mean((hidden @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"][None] - y) ** 2)

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), (params["Dense_0"]["kernel"], params["Dense_1"]["kernel"])

    _, history = jax.jit(lambda p: jax.lax.scan(step, (p, tx.init(p)), length=60))(params)
    bounded = 0
    for kernels in history:
        norms = np.sqrt((np.asarray(kernels.astype(jnp.float32), np.float64) ** 2).sum(axis=1))
        assert norms.max() <= 1.5 * (1 + (2e-6 if dtype == jnp.float32 else 4e-3))
        bounded += int((norms > 1.49).sum())
    assert bounded > 100


def test_bad_arguments_are_refused():
    with pytest.raises(TypeError, match="`constraint` must be a constraint such as"):
        transforms.project(regularizers.l1(1.0))
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer such as"):
        transforms.proximal_step(constraints.max_norm(1.0), 0.1)
    with pytest.raises(TypeError, match="`regularizer` must be a regularizer such as"):
        transforms.add_penalty_gradients(0.1)
    with pytest.raises(ValueError, match="`regularizer` must have a gradient, got l0: use `proximal_step`"):
        transforms.add_penalty_gradients(regularizers.by_path({"**": regularizers.l0(0.1)}))
    with pytest.raises(ValueError, match="`learning_rate` must be finite and >= 0"):
        transforms.proximal_step(regularizers.l1(1.0), -0.1)


def test_a_regularizer_without_an_operator_is_refused_when_the_transformation_is_made(monkeypatch):
    monkeypatch.delattr(prox, "l1")
    with pytest.raises(TypeError, match="`regularizer` must have a proximal operator, got l1"):
        transforms.proximal_step(regularizers.l1(1.0), 0.1)


SHAPES = {"a": (6, 5, 4), "b": (7, 8), "c": (9, 3), "half": (5, 5, 5), "bias": (40,)}


@pytest.mark.parametrize("axis", ["auto", 0, 1, (0, 2)])
def test_large_leaves_in_turn_equal_whole_ones(monkeypatch, axis):
    keys = dict(zip(SHAPES, jax.random.split(jax.random.key(0), len(SHAPES)), strict=True))
    params: dict = {name: jax.random.normal(keys[name], shape) for name, shape in SHAPES.items()}
    params |= {"none": None, "half": params["half"].astype(jnp.bfloat16)}
    updates = jax.tree.map(jnp.sin, params)
    rules = {
        "a": constraints.max_norm(1.5, axis=axis),
        "b": constraints.min_max_norm(0.5, 1.0, rate=0.5, axis=0),
        "c": constraints.non_negative(),
        "half": constraints.unit_norm(axis=axis),
        "bias": constraints.max_norm(1.0),  # "auto" passes it by
    }

    def projected(updates):
        tx = transforms.project(constraints.by_path(rules))
        return jax.jit(lambda u, p: tx.update(u, tx.init(p), p)[0])(updates, params)

    whole = projected(updates)
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 20)
    in_turn = projected(updates)
    chex.assert_trees_all_equal_shapes_and_dtypes(in_turn, whole)
    chex.assert_trees_all_close(in_turn, whole, rtol=1e-5, atol=1e-5)
    norms = jnp.linalg.norm((params["b"] + in_turn["b"]), axis=0)
    assert (norms > 1).all()  # it went half of the way
    rules |= {"a": constraints.max_norm(100.0, axis=axis)}
    chex.assert_trees_all_equal(projected(updates)["a"], updates["a"])
