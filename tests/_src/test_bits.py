"""Random bits, held against those of JAX."""

import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src import bits
from tests.processes import with_devices

# In JAX's older form, a stage of CI, bits are left to JAX: these tests of our own way to them have no subject there.
written_out = pytest.mark.skipif(not jax.config.jax_threefry_partitionable, reason="bits are those of JAX")
SHAPES = [(), (1,), (0, 3), (7,), (3, 5), (2, 3, 4), (1, 130, 1)]


def jax_bits(key, shape):
    return jax.random.bits(key, shape, jnp.uint32)


def assert_equal(got, wanted):
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_are_those_of_jax(shape):
    for seed in (0, 1, 2**31, 123456789):
        assert_equal(bits.draw(jax.random.key(seed), shape), jax_bits(jax.random.key(seed), shape))


KEYS = {
    "old style": lambda: jax.random.key_data(jax.random.key(5)),
    "old style on the host": lambda: np.asarray(jax.random.key_data(jax.random.key(5))),
    "rbg": lambda: jax.random.key(5, impl="rbg"),
    "unsafe_rbg": lambda: jax.random.key(5, impl="unsafe_rbg"),
}


@pytest.mark.parametrize("make_key", KEYS.values(), ids=KEYS)
def test_any_kind_of_key_serves(make_key):
    assert_equal(bits.draw(make_key(), (3, 5)), jax_bits(make_key(), (3, 5)))


def test_old_style_keys_follow_the_default_implementation():
    with jax.default_prng_impl("rbg"):
        data = np.arange(4, dtype=np.uint32)
        assert_equal(bits.draw(data, (5,)), jax_bits(data, (5,)))


@pytest.mark.parametrize(
    "setting",
    [lambda: jax.threefry_partitionable(False), jax.enable_checks, lambda: jax.numpy_dtype_promotion("strict")],
    ids=["not partitionable", "checks", "strict"],
)
def test_settings_are_followed(setting):
    with setting():
        assert_equal(bits.draw(jax.random.key(1), (3, 7)), jax_bits(jax.random.key(1), (3, 7)))


@pytest.mark.usefixtures("enable_x64")
def test_double_precision_changes_nothing():
    assert_equal(bits.draw(jax.random.key(1), (3, 7)), jax_bits(jax.random.key(1), (3, 7)))


@written_out
def test_what_is_written_out_and_what_is_left_to_jax():
    def loops(key, shape=(8,)):
        return "while" in jax.jit(lambda key: bits.draw(key, shape)).lower(key).as_text()

    assert not loops(jax.random.key(0))
    assert not loops(jax.random.key_data(jax.random.key(0)))
    # The reference itself has the loop on CPU, so the assertions above can fail.
    assert "while" in jax.jit(lambda key: jax_bits(key, (8,))).lower(jax.random.key(0)).as_text()
    with jax.threefry_partitionable(False):
        assert loops(jax.random.key(0))


@written_out
def test_arrays_whose_counter_has_two_words_are_left_to_jax():
    def names(shape):
        jaxpr = jax.make_jaxpr(lambda key: bits.draw(key, shape))(jax.random.key(0))
        return str(jaxpr)

    assert "random_bits[bit_width=32 shape=(2, 2147483648)]" in names((2, 2**31))
    assert "random_bits[bit_width=32 shape=(0,)]" in names((2, 2**31 - 1))


@written_out
def test_the_last_positions_below_that_are_counted_right():
    # The counters of an array of 2^32 - 4 elements, without the array: those of a shape, at its last index.
    shape = (2**2, 2**30 - 1)

    def last(key):
        return bits.draw(key, shape)[-1, -1]

    def wanted(key):
        return jax_bits(key, shape)[-1, -1]

    # XLA computes the one element only where everything is one pass, so ours alone is run.
    hlo = jax.jit(last).lower(jax.random.key(3)).compile()
    assert hlo.memory_analysis().temp_size_in_bytes < 2**20
    x0, x1 = threefry(np.asarray(jax.random.key_data(jax.random.key(3))), 0, math.prod(shape) - 1)
    assert int(hlo(jax.random.key(3))) == x0 ^ x1


def threefry(key, high, low):
    """Threefry-2x32 with 20 rounds in Python's integers, from Salmon et al, figure 2."""
    mask = 2**32 - 1
    words = [int(key[0]), int(key[1]), int(key[0]) ^ int(key[1]) ^ 0x1BD11BDA]
    x, y = (high + words[0]) & mask, (low + words[1]) & mask
    for number in range(20):
        rotation = (13, 15, 26, 6, 17, 29, 16, 24)[number % 8]
        x = (x + y) & mask
        y = ((y << rotation) | (y >> (32 - rotation))) & mask
        y ^= x
        if number % 4 == 3:
            step = number // 4 + 1
            x = (x + words[step % 3]) & mask
            y = (y + words[(step + 1) % 3] + step) & mask
    return x, y


@written_out
def test_known_answers():
    # The vectors of Random123's kat_vectors.
    assert threefry((0, 0), 0, 0) == (0x6B200159, 0x99BA4EFE)
    key = np.array([0x13198A2E, 0x03707344], np.uint32)
    assert threefry(key, 0x243F6A88, 0x85A308D3) == (0xC4923A9C, 0x483DF7A0)
    for index, value in enumerate(np.asarray(bits.draw(key, (2, 3))).ravel()):
        x, y = threefry(key, 0, index)
        assert value == x ^ y


def test_keys_are_used_up():
    key = jax.random.key(0)
    bits.draw(key, (3,))
    with pytest.raises(jax.errors.KeyReuseError):
        bits.draw(key, (3,))
    key = jax.random.key(0)
    jax.jit(lambda key: bits.draw(key, (3,)))(key)
    with pytest.raises(jax.errors.KeyReuseError):
        jax.random.bits(key, (3,))
    with pytest.raises(jax.errors.KeyReuseError):
        jax.jit(lambda key: bits.draw(key, (3,)) + bits.draw(key, (3,)))(jax.random.key(1))


def test_vmap_and_scan_over_keys():
    keys = jax.random.key_data(jax.random.split(jax.random.key(1), 3))
    wanted = jnp.stack([jax_bits(jax.random.wrap_key_data(key), (2, 5)) for key in keys])
    assert_equal(jax.jit(jax.vmap(lambda key: bits.draw(key, (2, 5))))(jax.random.wrap_key_data(keys)), wanted)
    scanned = jax.lax.scan(lambda _, key: (None, bits.draw(key, (2, 5))), None, jax.random.wrap_key_data(keys))[1]
    assert_equal(scanned, wanted)


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (7,), (8,), (3, 5), (5, 1), (2, 1, 9, 1)], ids=str)
def test_pieces_are_the_words_cut_from_the_low_end(shape, width):
    *rows, last = [size for size in shape if size != 1] or [1]
    per_word = 32 // width
    words = np.asarray(jax_bits(jax.random.key(2), (*rows, -(-last // per_word))))
    cut = (words[..., None] >> (width * np.arange(per_word))) % 2**width
    wanted = cut.reshape(*rows, words.shape[-1] * per_word)[..., :last].reshape(shape)

    @jax.jit
    def all_pieces():
        bytes_of = [lambda piece, start=start: piece >> start & 255 for start in range(0, width, 8)]
        return [bits.pieces(jax.random.key(2), shape, width, then) for then in (*bytes_of, lambda piece: piece < 99)]

    *pieces, mask = all_pieces()
    for start, got in zip(range(0, width, 8), pieces, strict=True):
        assert got.dtype == jnp.uint8
        np.testing.assert_array_equal(got, (wanted >> start) & 255)
    np.testing.assert_array_equal(mask, wanted < 99)


@written_out
def test_pieces_are_hashed_once_and_stored_as_bytes():
    for width, dtype in ((8, "u32"), (16, "u16")):
        x = jnp.ones((64, 256))
        run = jax.jit(lambda key, x, width=width: x * bits.pieces(key, x.shape, width, lambda piece: piece < 99))
        text = run.lower(jax.random.key(0), x).compile().as_text()
        assert text.count(" shift-left(") == 20 + 32 // width  # those of one hash, and those that pack
        assert f"{dtype}[64,{256 * width // 32}]" in text


PROGRAM = """
import re
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
import regjax

mesh = jax.sharding.Mesh(np.array(jax.devices()).reshape(4, 2), ("data", "model"))
key, x = jax.random.key(0), jnp.ones((16, 64))

for bits in (32, 16, 8):
    for recompute in (False, True):
        def loss(x, key):
            y = regjax.stochastic.dropout(key, x, 0.5, bits=bits, recompute=recompute)
            return y, jax.grad(
                lambda x: (regjax.stochastic.dropout(key, x, 0.5, bits=bits, recompute=recompute) ** 2).sum()
            )(x)

        wanted = jax.jit(loss)(x, key)
        # Recomputing changes what is kept and not how it is drawn: one way of splitting is enough for it.
        specs = (("data", "model"), ("data", None), (None, "model"), (("data", "model"), None))
        for spec in specs[:1] if recompute else specs:
            sharding = NamedSharding(mesh, PartitionSpec(*spec))
            compiled = jax.jit(loss, out_shardings=sharding).lower(jax.device_put(x, sharding), key).compile()
            assert not re.search("all-|collective|permute", compiled.as_text()), (bits, spec)
            for a, b in zip(compiled(jax.device_put(x, sharding), key), wanted):
                np.testing.assert_array_equal(a, b)

shard_map = getattr(jax, "shard_map", None) or __import__("jax.experimental.shard_map").experimental.shard_map.shard_map
mapped = jax.jit(shard_map(
    lambda x, key: regjax.stochastic.dropout(key, x, 0.5), mesh=mesh,
    in_specs=(PartitionSpec("data"), PartitionSpec()), out_specs=PartitionSpec("data"),
))(x, key)
np.testing.assert_array_equal(mapped, np.tile(regjax.stochastic.dropout(key, x[:4], 0.5), (4, 1)))
print("equal")
"""


@written_out
def test_shards_draw_their_part_without_talking():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=with_devices(8))
    assert done.stdout.strip() == "equal", done.stderr
