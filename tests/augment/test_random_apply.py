"""Functions that are applied at times: one coin a call, and no work where it falls the other way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import per_example, random_apply


def negate(key, x):
    return jax.tree.map(jnp.negative, x)


@pytest.mark.usefixtures("strict_promotion")
def test_the_share_of_calls_and_one_coin_for_all_of_the_array():
    probs = [0.0, 0.2, 0.7, 1.0]

    def apply(keys, prob):
        return jax.vmap(lambda k: random_apply(negate, prob)(k, jnp.ones(3)))(keys)

    @jax.jit
    def run(keys, traced):
        return jnp.concatenate(
            [
                jax.vmap(apply)(keys[:4], traced),
                jnp.stack([apply(k, p) for k, p in zip(keys[4:], probs[1::2], strict=True)]),
            ]
        )

    y = np.asarray(run(jax.random.split(jax.random.key(0), (6, 2000)), jnp.array(probs)))
    assert (y == y[..., :1]).all()
    for negated, p in zip(y[..., 0] == -1, [*probs, *probs[1::2]], strict=True):
        assert abs(negated.mean() - p) <= 5 * np.sqrt(p * (1 - p) / 2000)


def test_a_coin_for_each_example_and_only_what_is_applied_is_computed():
    computed = []

    def counting(key, x):
        jax.debug.callback(lambda: computed.append(None))
        return -x

    lifted = jax.jit(per_example(random_apply(counting, 0.3), sequential=True))
    y = lifted(jax.random.key(0), jnp.ones(200))
    jax.effects_barrier()
    assert len(computed) == int((y == -1).sum())
    assert 20 < len(computed) < 100


def test_the_coin_and_the_function_have_keys_of_their_own():
    y = random_apply(lambda k, x: jax.random.uniform(k), 1.0)(jax.random.key(0), jnp.float32(0))
    np.testing.assert_allclose(y, jax.random.uniform(jax.random.split(jax.random.key(0))[1]), rtol=1e-6)


def test_trees_and_the_probability_may_be_traced():
    x = {"image": jnp.ones((2, 2), jnp.bfloat16), "mask": jnp.ones(2, jnp.int32)}
    run = jax.jit(lambda k, p: random_apply(negate, p)(k, x))
    for prob, sign in ((0.0, 1), (1.0, -1)):
        y = run(jax.random.key(0), prob)
        assert y["image"].dtype == jnp.bfloat16 and y["mask"].dtype == jnp.int32
        np.testing.assert_array_equal(y["mask"], sign)


def test_errors():
    with pytest.raises(TypeError, match="`fn` must be a function"):
        random_apply(None, 0.5)
    with pytest.raises(ValueError, match=r"`prob` must be in \[0, 1\], got 2"):
        random_apply(negate, 2)
    with pytest.raises(ValueError, match=r"`fn\(key, x\)` must have the shapes and dtypes of `x`"):
        random_apply(lambda k, x: x[:1], 0.5)(jax.random.key(0), jnp.ones(2))
    with pytest.raises(ValueError, match=r"`fn\(key, x\)` must have the structure of `x`"):
        random_apply(lambda k, x: (x, x), 0.5)(jax.random.key(0), jnp.ones(2))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        random_apply(negate, 0.5)(0, jnp.ones(2))
