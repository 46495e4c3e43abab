"""Under a named axis a function draws with the key of its place; `tests/distribution` compares the numbers of all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax import stochastic

FUNCTIONS = {
    "alpha_dropout": {},
    "concrete_dropout": {"rate_logit": -1.0},
    "dropout": {"bits": 8, "recompute": True},
    "drop_block": {"block_size": 2},
    "drop_connect": {},
    "embedding_dropout": {},
    "feature_alpha_dropout": {},
    "gaussian_dropout": {},
    "gaussian_noise": {"stddev": 0.5},
    "stochastic_depth": {},
}
CALLS = {
    name: lambda key, x, axis_name, n=name, o=options: getattr(stochastic, n)(
        key, x, **({} if {"stddev", "rate_logit"} & o.keys() else {"rate": 0.5}), **o, axis_name=axis_name
    )
    for name, options in FUNCTIONS.items()
} | {
    f"residual_block {mode}": lambda key, x, axis_name, m=mode: stochastic.residual_block(
        key, jnp.sin, x, 0.5, mode=m, axis_name=axis_name
    )
    for mode in ("row", "batch", "subset", "skip")
}


@pytest.mark.parametrize("name", CALLS)
def test_the_name_arrives(name, key):
    x = jnp.ones((3, 4, 5, 2))
    with pytest.raises(ValueError, match="`axis_name` must name axes .*got 'shards'"):
        jax.eval_shape(lambda: CALLS[name](key, x[0], "shards"))
    assert jax.eval_shape(jax.vmap(lambda x: CALLS[name](key, x, "shards"), axis_name="shards"), x).shape == x.shape


@pytest.mark.parametrize(
    ("axis_name", "places"),
    [(None, np.zeros((2, 3), int)), ("inner", [[0, 1, 2]] * 2), (("outer", "inner"), [[0, 1, 2], [3, 4, 5]])],
)
def test_places_draw_for_themselves(axis_name, places, key):
    def draw(x):
        return stochastic.gaussian_noise(key, x, 1.0, axis_name=axis_name)

    got = jax.vmap(jax.vmap(draw, axis_name="inner"), axis_name="outer")(jnp.zeros((2, 3, 40)))
    for outer in range(2):
        for inner in range(3):
            folded = key if axis_name is None else jax.random.fold_in(key, places[outer][inner])
            np.testing.assert_array_equal(got[outer, inner], jax.random.normal(jax.random.clone(folded), (40,)))


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_what_draws_nothing_asks_for_no_name(amount, key):
    assert stochastic.dropout(key, jnp.ones(3), amount, axis_name="nowhere").sum() == 3 * (1 - amount)


@pytest.mark.parametrize("axis_name", ["batch", ("outer", "batch")])
def test_a_name_that_is_not_bound(axis_name, key):
    with pytest.raises(ValueError, match="`axis_name` must name axes that a `shard_map`.* leave it out there"):
        stochastic.dropout(key, jnp.ones(3), 0.5, axis_name=axis_name)


@pytest.mark.parametrize("axis_name", [0, ["data"], True])
def test_what_is_no_name(axis_name, key):
    with pytest.raises(TypeError, match="`axis_name` must be the name of a mesh axis, or a tuple of names, got"):
        stochastic.gaussian_noise(key, jnp.ones(3), 0.5, axis_name=axis_name)


def test_old_style_keys():
    def draw(key):
        return jax.vmap(lambda x: stochastic.dropout(key, x, 0.5, axis_name="i"), axis_name="i")(jnp.ones((3, 20)))

    new, old = jax.random.key(3), jax.random.key_data(jax.random.key(3))
    np.testing.assert_array_equal(draw(old), draw(new))
