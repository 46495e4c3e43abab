"""One function out of several: the shares, and that only the chosen one is computed."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import per_example, random_choice


def returning(*values):
    return [lambda key, x, v=v: jnp.full_like(x, v) for v in values]


@pytest.mark.usefixtures("strict_promotion")
def test_the_shares():
    traced = jnp.array([[1.0, 1, 1], [0.1, 0.2, 0.7], [0.5, 0, 0.5], [0, 1, 0]])

    def choose(keys, weights):
        return jax.vmap(lambda k: random_choice(returning(0, 1, 2), weights=weights)(k, jnp.ones(2)))(keys)

    @jax.jit
    def run(keys):
        return jnp.concatenate(
            [
                jax.vmap(choose)(keys[:4], traced),
                choose(keys[4], (1, 2, 5))[None],
                choose(keys[5], None)[None],
            ]
        )

    y = np.asarray(run(jax.random.split(jax.random.key(0), (6, 3000))))
    assert (y[..., 0] == y[..., 1]).all()
    for chosen, weights in zip(y[..., 0], [*np.asarray(traced), (1, 2, 5), (1, 1, 1)], strict=True):
        p = np.asarray(weights, float) / np.sum(weights)
        counts = np.bincount(chosen.astype(int), minlength=3)
        assert (abs(counts - 3000 * p) <= 5 * np.sqrt(3000 * p * (1 - p)) + 1e-3).all()


def test_only_the_chosen_function_is_computed():
    computed = collections.Counter()

    def counting(index):
        def function(key, x):
            jax.debug.callback(lambda: computed.update([index]))
            return x + index

        return function

    lifted = jax.jit(per_example(random_choice([counting(0), counting(1), counting(2)]), sequential=True))
    y = lifted(jax.random.key(0), jnp.zeros(60))
    jax.effects_barrier()
    assert dict(computed) == dict(zip(*np.unique(np.asarray(y, int), return_counts=True), strict=True))


def test_shapes_may_change_and_weights_may_be_traced():
    halves = [lambda k, x: {"half": x[:2]}, lambda k, x: {"half": x[2:]}]
    run = jax.jit(lambda k, w: random_choice(halves, weights=w)(k, jnp.arange(4)))
    for index in range(2):
        y = run(jax.random.key(0), jnp.eye(2)[index])
        np.testing.assert_array_equal(y["half"], [2 * index, 2 * index + 1])


def test_the_choice_and_the_function_have_keys_of_their_own():
    fns = [lambda k, x: jax.random.uniform(k), lambda k, x: jax.random.uniform(k) + 1]
    y = random_choice(fns, weights=(0, 1))(jax.random.key(0), jnp.float32(0))
    np.testing.assert_allclose(y, 1 + jax.random.uniform(jax.random.split(jax.random.key(0))[1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ((1, 2), ValueError, r"`weights` must have shape \(3,\), one weight for each function, got \(2,\)"),
        ((1, -1, 0), ValueError, "`weights` must be finite and >= 0"),
        ((0, 0, 0), ValueError, "`weights` must have an entry above 0"),
        ("abc", TypeError, "`weights` must be a real number"),
    ],
)
def test_errors_about_weights(weights, error, message):
    with pytest.raises(error, match=message):
        random_choice(returning(0, 1, 2), weights=weights)


def test_errors():
    with pytest.raises(TypeError, match="`fns` must be a sequence of functions"):
        random_choice(lambda k, x: x)
    with pytest.raises(ValueError, match="`fns` must have at least one function"):
        random_choice([])
    with pytest.raises(TypeError, match=r"`fns\[1\]` must be a function"):
        random_choice([*returning(0), 1])
    with pytest.raises(ValueError, match=r"`fns\[1\]\(key, x\)` must have the shapes and dtypes of `fns\[0\]"):
        random_choice([lambda k, x: x, lambda k, x: x[:1]])(jax.random.key(0), jnp.ones(2))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        random_choice(returning(0))(0, jnp.ones(2))
