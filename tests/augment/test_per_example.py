"""Functions of one example on batches, also those of dm-pix."""

import dm_pix as pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import compose, per_example, random_apply, random_choice

X = jnp.asarray(np.random.default_rng(0).uniform(0.2, 0.8, size=(64, 6, 7, 3)), jnp.float32)


def shifts(key, x):
    amount = jax.random.uniform(key)
    return jax.tree.map(lambda leaf: leaf + amount.astype(leaf.dtype), x)


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("sequential", [False, True])
def test_each_example_has_the_draw_of_its_own_key(sequential):
    lifted = jax.jit(per_example(shifts, sequential=sequential))
    keys = jax.random.split(jax.random.key(0), 5)
    expected = [float(jax.random.uniform(k)) for k in keys]
    np.testing.assert_allclose(lifted(jax.random.key(0), jnp.zeros((5, 2))), np.repeat(expected, 2).reshape(5, 2))
    tree = lifted(jax.random.key(0), {"a": jnp.zeros(5, jnp.bfloat16), "b": jnp.ones((5, 1))})
    assert tree["a"].dtype == jnp.bfloat16
    np.testing.assert_allclose(tree["b"][:, 0], np.add(expected, 1))


def test_rbg_keys_are_those_of_the_examples_where_they_go_one_after_the_other():
    def draws(k, x):
        return x + jax.random.uniform(k)

    for sequential in (False, True):
        y = jax.jit(per_example(draws, sequential=sequential))(jax.random.key(0, impl="rbg"), jnp.zeros(6))
        assert len(set(y.tolist())) == 6
    alone = [draws(k, jnp.zeros(())) for k in jax.random.split(jax.random.key(0, impl="rbg"), 6)]
    np.testing.assert_array_equal(y, alone)


def test_dm_pix_on_a_batch_changes_all_examples_alike_and_lifted_does_not():
    plain = pix.random_flip_left_right(jax.random.key(0), X)
    lifted = np.asarray(jax.jit(per_example(pix.random_flip_left_right))(jax.random.key(0), X))
    flipped = np.asarray(X[:, :, ::-1])
    assert bool((plain == X).all()) != bool((plain == flipped).all())
    kept, reversed_ = (lifted == X).all((1, 2, 3)), (lifted == flipped).all((1, 2, 3))
    assert (kept ^ reversed_).all()
    assert abs(kept.sum() - 32) < 5 * 4


def test_dm_pix_brightness_and_crop():
    moved = jax.jit(per_example(lambda k, image: pix.random_brightness(k, image, 0.2)))(jax.random.key(0), X)
    deltas = np.asarray(moved - X)
    assert np.ptp(deltas, axis=(1, 2, 3)).max() < 1e-6
    assert len(np.unique(deltas[:, 0, 0, 0])) > 60 and abs(deltas).max() < 0.2 + 1e-6

    cropped = np.asarray(
        jax.jit(per_example(lambda k, image: pix.random_crop(k, image, (4, 4, 3))))(jax.random.key(0), X)
    )
    windows = np.stack([X[:, i : i + 4, j : j + 4] for i in range(3) for j in range(4)])
    found = (windows == cropped).all((2, 3, 4))
    assert (found.sum(0) == 1).all() and found.any(1).all()


def test_dm_pix_in_a_policy():
    policy = per_example(
        compose(
            pix.random_flip_left_right,
            random_apply(lambda _, image: pix.adjust_contrast(image, 0.5), 0.25),
            random_choice([lambda _, image: image, lambda _, image: pix.rot90(pix.rot90(image))]),
        )
    )
    y = np.asarray(jax.jit(policy)(jax.random.key(0), X))
    duller = np.asarray(jax.vmap(lambda image: pix.adjust_contrast(image, 0.5))(X))
    outcomes = np.stack([np.flip(c, axes) for c in (np.asarray(X), duller) for axes in ((), (2,), (1, 2), (1,))])
    near = abs(outcomes - y).max((2, 3, 4)) < 1e-5
    assert (near.sum(0) == 1).all()
    assert abs(near[4:].sum() - 16) < 5 * np.sqrt(64 * 3 / 16)
    assert near.sum(1).min() > 0


def test_errors():
    with pytest.raises(TypeError, match="`fn` must be a function of a key and an array, got 3"):
        per_example(3)
    with pytest.raises(TypeError, match="`sequential` must be True or False"):
        per_example(shifts, sequential=1)
    with pytest.raises(ValueError, match=r"`x\['b'\]` must have the 3 examples of `x\['a'\]`"):
        per_example(shifts)(jax.random.key(0), {"a": jnp.ones(3), "b": jnp.ones(4)})
    with pytest.raises(ValueError, match="`x` must have a leading axis"):
        per_example(shifts)(jax.random.key(0), jnp.float32(1))
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        per_example(shifts)(0, X)
