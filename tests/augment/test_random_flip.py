"""Random flips, against NumPy's flips and the counts that fair coins give."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import random_flip

X = np.random.default_rng(0).normal(size=(4000, 2, 3, 1)).astype(np.float32)


def which_flip(y, x, axes):
    """Returns for each example the index of the set of axes that it was reversed along."""
    subsets = [s for n in range(len(axes) + 1) for s in itertools.combinations(axes, n)]
    found = np.stack([(y == np.flip(x, s)).all(axis=(1, 2, 3)) for s in subsets])
    assert (found.sum(0) == 1).all()
    return found.argmax(0)


@pytest.mark.parametrize("axis", [(1, 2), (-2, -3), [2, 1]], ids=str)
def test_each_axis_and_example_has_its_own_coin(axis):
    counts = np.bincount(which_flip(np.asarray(random_flip(jax.random.key(0), X, axis=axis)), X, (1, 2)), minlength=4)
    assert abs(counts - 1000).max() < 5 * np.sqrt(4000 * 3 / 16)


@pytest.mark.parametrize("rate", [0.1, jnp.float32(0.9)], ids=str)
def test_the_rate_is_that_of_reversing_the_width(rate):
    share = which_flip(np.asarray(random_flip(jax.random.key(0), X, rate=rate)), X, (2,)).mean()
    assert abs(share - float(rate)) < 5 * 0.3 / np.sqrt(4000)


@pytest.mark.usefixtures("strict_promotion")
@pytest.mark.parametrize("dtype", [jnp.uint8, bool, jnp.bfloat16, jnp.float16])
def test_rates_zero_and_one_and_any_dtype(dtype):
    x = jnp.asarray(10 * X[:3]).astype(dtype)
    for zero in (0.0, 0, jnp.float32(0)):
        np.testing.assert_array_equal(random_flip(jax.random.key(0), x, rate=zero), x)
    reversed_ = random_flip(jax.random.key(0), x, rate=1, axis=(1, 2))
    assert reversed_.dtype == dtype
    np.testing.assert_array_equal(reversed_, np.flip(x, (1, 2)))
    assert random_flip(None, x, rate=0.0) is x


def test_arrays_of_a_tree_are_reversed_together():
    both = random_flip(jax.random.key(0), {"image": X, "mask": X[..., 0]}, axis=(1, 2))
    np.testing.assert_array_equal(both["image"][..., 0], both["mask"])
    np.testing.assert_array_equal(both["image"], random_flip(jax.random.key(0), X, axis=(1, 2)))


def test_vmap_over_keys_and_rates_under_jit():
    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 0.5, 1.0])
    mapped = jax.jit(jax.vmap(lambda k, r: random_flip(k, X[:5], rate=r)))(keys, rates)
    for index in range(3):
        np.testing.assert_array_equal(
            mapped[index], random_flip(jax.random.clone(keys)[index], X[:5], rate=rates[index])
        )


def test_errors():
    with pytest.raises(ValueError, match="`axis` must not name the axis 0 of examples, got -4 for `x`"):
        random_flip(jax.random.key(0), X, axis=-4)
    with pytest.raises(ValueError, match="`axis` must be in range for `x`"):
        random_flip(jax.random.key(0), X, axis=4)
    with pytest.raises(ValueError, match=r"`axis` must mean the same axes of all arrays, got -2, which is \(2,\) of"):
        random_flip(jax.random.key(0), (X, X[..., 0]))
    with pytest.raises(ValueError, match=r"`x\[1\]` must have the 4000 examples"):
        random_flip(jax.random.key(0), (X, X[:3]))
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\], got 1.5"):
        random_flip(jax.random.key(0), X, rate=1.5)
    with pytest.raises(TypeError, match="`key` must be a PRNG key"):
        random_flip(0, X)
