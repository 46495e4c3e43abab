"""Masks, held against `jax.random.bernoulli` and against what their bits promise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src import random


def masks(keep, shape=(4000,), seed=3):
    return random.keep_mask(jax.random.key(seed), keep, shape), jax.random.bernoulli(jax.random.key(seed), keep, shape)


@pytest.mark.parametrize("keep", [0.0, 1e-9, 2.0**-23, 2.0**-23 * 1.5, 0.1, 0.5, 0.9, 1 - 2.0**-24, 1 - 1e-9, 1.0])
def test_masks_are_those_of_jax(keep):
    for value in (keep, np.float64(keep), jnp.float32(keep)):
        np.testing.assert_array_equal(*masks(value))


@pytest.mark.parametrize("shape", [(2**11, 2**11), (2**11, 2**11 + 1)], ids=str)
def test_masks_are_those_of_jax_whether_small_or_large(shape):
    np.testing.assert_array_equal(*jax.jit(lambda: masks(0.3, shape))())


def test_the_backward_pass_of_a_layer_between_others_does_not_draw_again():
    def loss(x, w, key):
        y = jnp.where(random.keep_mask(key, 0.5, x.shape), jnp.sin(x @ w), 0)
        return jnp.cos(y @ w).sum()

    x = jnp.ones((64, 64))
    with jax.threefry_partitionable(True):
        compiled = jax.jit(jax.grad(loss)).lower(x, x, jax.random.key(0)).compile().as_text()
    assert compiled.count(" shift-left(") == 20  # of one hash


def test_decisions_are_those_of_jax_around_every_threshold(monkeypatch):
    # All 2^23 values of the bits that matter; the others are all ones and all zeros in turn.
    values = jnp.arange(2**23, dtype=jnp.uint32)
    word = (values << np.uint32(9)) | (values % 2) * np.uint32(511)
    grid = np.array([0, 1, 2, 838861, 2**22, 2**23 - 1, 2**23])
    exact = (grid / 2**23).astype(np.float32)
    chances = np.concatenate([exact, np.nextafter(exact, np.float32(-1)), np.nextafter(exact, np.float32(2))])
    chances = np.concatenate([chances, np.float32([np.nan, np.inf, -np.inf, -0.0, -1, 2, 1e-45, 1e-38, 3e38])])
    monkeypatch.setattr(random.bits, "draw", lambda key, shape, then, in_memory, after: then(word))

    # JAX's uniform numbers, from the same words: a mantissa, less one.
    uniform = ((np.asarray(word) >> np.uint32(9)) | np.uint32(0x3F800000)).view(np.float32) - 1

    @jax.jit
    def counts(chance):
        mask = random._bernoulli.__wrapped__(None, chance, values.shape, None)
        return mask.sum(), (mask != (uniform < chance)).sum()

    found = np.array([counts(chance) for chance in chances])
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_array_equal(found[: len(grid), 0], grid)  # so that the comparison above is one


def test_zero_is_below_the_smallest_of_numbers_as_for_jax():
    for keep in (1e-45, 1e-40, 1e-38):
        np.testing.assert_array_equal(*masks(jnp.float32(keep), (1 << 16,)))


@pytest.mark.usefixtures("enable_x64")
def test_masks_are_those_of_jax_in_double_precision():
    for keep in (0.3, jnp.asarray(0.3), jnp.float32(0.3)):
        np.testing.assert_array_equal(*masks(keep))


def test_rare_masks_compare_all_bits():
    for chance in (0.0, 2.0**-32, 1e-5, 0.25, 1.0):
        got = random.rare_mask(jax.random.key(0), chance, (50000,))
        words = np.asarray(jax.random.bits(jax.random.key(0), (50000,), jnp.uint32)).astype(np.float64)
        np.testing.assert_array_equal(got, words < np.float64(np.float32(chance)) * 2**32)


@pytest.mark.parametrize("width", [8, 16])
def test_coarse_masks_have_the_probability_that_they_say(width):
    for keep in (2.0**-width, 0.1, 0.5, 0.9, 1 - 2.0**-width):
        mask, kept = random.coarse_mask(jax.random.key(1), keep, (400_000,), width)
        assert kept == round(keep * 2**width) / 2**width
        traced, probability = random.coarse_mask(jax.random.key(1), jnp.float32(keep), (400_000,), width)
        assert float(probability) == kept
        np.testing.assert_array_equal(mask, traced)
        words = np.asarray(jax.random.bits(jax.random.key(1), (400_000 * width // 32,), jnp.uint32)).astype("<u4")
        np.testing.assert_array_equal(mask, words.view(f"<u{width // 8}") < kept * 2**width)


@pytest.mark.parametrize("width", [8, 16])
def test_traced_probabilities_stay_between_the_steps(width):
    step = 2.0**-width
    for keep, wanted in ((0.0, 0.0), (1e-9, step), (1 - step / 8, 1 - step), (1.0, 1.0)):
        mask, kept = random.coarse_mask(jax.random.key(1), jnp.float32(keep), (400_000,), width)
        assert float(kept) == wanted
        share = float(mask.mean())
        assert abs(share - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / 400_000)


def chi_square(counts):
    """The statistic of equal chances, standardized: normal for many cells."""
    expected = counts.sum() / counts.size
    cells = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - cells) / np.sqrt(2 * cells)


@pytest.mark.parametrize("width", [8, 16])
def test_pieces_are_uniform_and_independent(width):
    """Of positions in a word, of words, of neighboring keys and of steps that are folded in."""
    per_word, length = 32 // width, 1 << 17

    def draw(make_key, then):
        run = jax.vmap(lambda step: random.bits.pieces(make_key(step), (length,), width, then))
        return np.asarray(jax.jit(run)(jnp.arange(4))).astype(np.int64)

    for make_key in (jax.random.key, functools.partial(jax.random.fold_in, jax.random.key(7))):
        # The upper four bits of a piece, and all of its lowest eight.
        high = draw(make_key, lambda piece: piece >> (width - 4))
        low = draw(make_key, lambda piece: piece & 255)
        assert abs(chi_square(np.bincount(low.ravel(), minlength=256))) < 5
        words = high.reshape(4, -1, per_word)
        pairs = [(words[..., i], words[..., j]) for i in range(per_word) for j in range(i)]
        pairs += [(words[:, 1:, 0], words[:, :-1, -1]), (high[:, 256:], high[:, :-256])]
        pairs += [(high[i], high[j]) for i in range(4) for j in range(i)]
        for a, b in pairs:
            assert abs(chi_square(np.bincount((16 * a + b).ravel(), minlength=256))) < 5


@pytest.mark.parametrize("width", [8, 16])
def test_coarse_masks_are_independent_between_positions_keys_and_steps(width):
    keep, length = 0.75, 1 << 17

    def signs(keys):
        drawn = jax.jit(jax.vmap(lambda key: random.coarse_mask(key, keep, (length,), width)[0]))(keys)
        return (np.asarray(drawn) - keep) / np.sqrt(keep * (1 - keep))

    key = jax.random.key(11)
    for x in (
        signs(jax.vmap(jax.random.key)(jnp.arange(6))),
        signs(jax.vmap(lambda step: jax.random.fold_in(key, step))(jnp.arange(6))),
    ):
        between = x @ x.T / np.sqrt(length)
        assert (np.abs(between - np.diag(np.diag(between))) < 5).all()
        for lag in (1, 2, 3, 4, 7, 8, 32, 128):
            assert (np.abs((x[:, lag:] * x[:, :-lag]).sum(1)) < 5 * np.sqrt(length)).all()
        assert (np.abs(x.sum(1)) < 5 * np.sqrt(length)).all()
