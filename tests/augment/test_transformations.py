"""What the functions that mix, erase and add noise owe under the transformations of JAX."""

import chex
import jax
import jax.numpy as jnp
import pytest

from regjax import augment

X = jnp.linspace(-1.0, 1.0, 4 * 5 * 6 * 2).reshape(4, 5, 6, 2)
LABELS = jnp.array([2, 0, 1, 2])


def all_of_them(key, amount):
    """Calls the functions with one amount between 0 and 1 that may be traced; the tests of mixup map it already."""
    keys = jax.random.split(key, 6)
    whole = jnp.round(4 * jnp.float32(amount)).astype(jnp.int32)
    return {
        "cutmix": augment.cutmix(keys[5], X, LABELS, amount, num_classes=3),
        "random_erasing": augment.random_erasing(keys[1], X, rate=amount, area=(0.1, amount), fill=amount),
        "cutout": augment.cutout(keys[2], X, (whole, 2), fill=amount),
        "gaussian_noise": augment.gaussian_noise(keys[0], X.reshape(4, 60), amount, clip=(-amount, 2.0)),
        "spec_augment": augment.spec_augment(
            keys[3],
            X,
            num_time_masks=1,
            max_time=whole,
            num_frequency_masks=1,
            max_frequency=whole,
            time_ratio=amount,
            fill=amount,
        ),
        "token_dropout": augment.token_dropout(keys[4], LABELS, amount, mask_token=whole),
    }


@pytest.mark.usefixtures("strict_promotion")
def test_vmap_over_keys_and_amounts_equals_a_loop():
    traces = []

    @jax.jit
    def run(key, amount):
        traces.append(None)
        return all_of_them(key, amount)

    seeds, amounts = jnp.arange(3), jnp.array([0.2, 0.7, 1.0])
    looped = [run(jax.random.key(seed), amount) for seed, amount in zip(seeds, amounts, strict=True)]
    assert len(traces) == 1
    mapped = jax.jit(jax.vmap(all_of_them))(jax.vmap(jax.random.key)(seeds), amounts)
    chex.assert_trees_all_close(mapped, jax.tree.map(lambda *leaves: jnp.stack(leaves), *looped), atol=1e-6)


def test_examples_draw_by_themselves_with_keys_that_share_bits_under_vmap():
    weight = jax.jit(lambda key: augment.mixup(key, X, None, 1.0).weight)(jax.random.key(0, impl="rbg"))
    assert len(set(weight.tolist())) == 4
