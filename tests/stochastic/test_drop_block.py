"""DropBlock: the rate that it promises, the shape of its blocks, and a brute force in NumPy."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src import random
from regjax.stochastic import drop_block

# Spatial shape, size of the block and rate; even blocks, and blocks larger than the map, among them.
MAPS = [
    ((9,), 4, 0.5),
    ((7, 7), 7, 0.1),
    ((7, 7), 2, 0.02),
    ((3,), 8, 0.3),
    ((4, 9), (3, 5), 0.25),
    ((2, 5, 3), (2, 3, 4), 0.4),
]


def dropped_share(spatial, block_size, rate, examples, **options):
    """The share of the draws in which every position is dropped."""
    x = jnp.ones((examples, *spatial, 1))
    run = jax.jit(lambda key, rate: drop_block(key, x, rate, block_size=block_size, **options) == 0)
    return np.asarray(run(jax.random.key(1), rate))[..., 0]


@pytest.mark.parametrize(("spatial", "block_size", "rate"), MAPS, ids=str)
def test_every_position_is_dropped_at_the_rate(spatial, block_size, rate):
    dropped = dropped_share(spatial, block_size, rate, examples=20_000).reshape(20_000, -1)
    # Positions of one example are correlated, examples are not.
    shares = dropped.mean(1)
    assert abs(shares.mean() - rate) < 5 * shares.std() / np.sqrt(len(shares))
    assert shares.mean() == pytest.approx(rate, rel=0.05)
    np.testing.assert_allclose(dropped.mean(0), rate, atol=5 * np.sqrt(rate * (1 - rate) / len(dropped)))


def test_the_rate_is_within_a_hundredth():
    # 5 standard errors are 0.5 % here, so that this is no luck.
    shares = dropped_share((12, 12), 2, 0.5, examples=40_000).mean((1, 2))
    assert 5 * shares.std() / np.sqrt(len(shares)) < 0.005 * 0.5
    assert shares.mean() == pytest.approx(0.5, rel=0.005)


@pytest.mark.parametrize("coupled", [True, False], ids=["coupled", "free"])
def test_what_is_dropped_is_the_union_of_the_blocks(coupled):
    spatial, sizes, rate = (2, 5, 3), (2, 3, 4), 0.3
    x = np.random.default_rng(7).normal(size=(2, *spatial, 3)).astype(np.float32)
    padded = tuple(n + b - 1 for n, b in zip(spatial, sizes, strict=True))

    @jax.jit
    def run(given):
        chance = -math.expm1(math.log1p(-rate) / 24)
        starts = random.rare_mask(jax.random.key(3), chance, (2, *padded, 1 if coupled else 3))
        results = [
            drop_block(jax.random.key(3), x, r, block_size=sizes, couple_channels=coupled) for r in (rate, given)
        ]
        return starts, results

    starts, results = run(rate)
    # Painted block by block, each from where it starts in a frame that is wide enough for all.
    frame = np.zeros((2, *(n + b for n, b in zip(padded, sizes, strict=True)), starts.shape[-1]), bool)
    for n, *position, c in np.argwhere(starts):
        frame[(n, *(slice(p, p + b) for p, b in zip(position, sizes, strict=True)), c)] = True
    dropped = frame[(slice(None), *(slice(b - 1, b - 1 + n) for n, b in zip(spatial, sizes, strict=True)))]
    assert dropped.any() and not dropped.all()
    for got in results:
        np.testing.assert_allclose(got, np.where(dropped, 0, x / np.float32(1 - rate)), rtol=1e-6)


def test_channels_share_a_mask_or_draw_for_themselves_and_examples_always_do():
    x = jnp.ones((500, 6, 4))
    coupled, free = (
        np.asarray(jax.jit(lambda x, c=c: drop_block(jax.random.key(0), x, 0.3, block_size=2, couple_channels=c))(x))
        == 0
        for c in (True, False)
    )
    assert (coupled == coupled[..., :1]).all()
    assert len({mask.tobytes() for mask in coupled}) > 20
    # Two channels agree at a position as often as independent coins do.
    agree = (free[..., 0] == free[..., 1]).mean(1)
    assert abs(agree.mean() - (0.3**2 + 0.7**2)) < 5 * agree.std() / np.sqrt(500)


def test_expected_normalization_is_unbiased():
    x = jnp.linspace(0.5, 2.0, 12).reshape(1, 3, 4, 1)
    run = jax.jit(lambda x: drop_block(jax.random.key(5), x, 0.4, block_size=2))
    draws = np.asarray(run(jnp.tile(x, (20_000, 1, 1, 1))))
    error = 5 * draws.std(0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(0) - x[0]) < error).all()


@pytest.mark.parametrize("coupled", [True, False], ids=["coupled", "free"])
def test_realized_normalization_keeps_the_sum_of_the_factors(coupled):
    x = jnp.ones((4, 6, 6, 3))

    @jax.jit
    def run(rate):
        return [
            drop_block(jax.random.key(2), x, rate, block_size=3, couple_channels=coupled, normalize=normalize)
            for normalize in ("expected", "realized")
        ]

    for rate in (0.1, 0.7):
        expected, realized = map(np.asarray, run(rate))
        np.testing.assert_array_equal(realized == 0, expected == 0)
        assert len(np.unique(realized)) == 2
        np.testing.assert_allclose(realized.mean(dtype=np.float64), 1.0, rtol=1e-6)
    # Where nothing is kept there is nothing to normalize by.
    np.testing.assert_array_equal(run(1 - 1e-6)[1], 0)


def test_blocks_of_one_position_drop_independently():
    dropped = dropped_share((2, 2), 1, 0.4, examples=20_000).reshape(-1, 4)
    covariance = np.cov(dropped.T)
    np.testing.assert_allclose(covariance, 0.24 * np.eye(4), atol=5 * 0.24 / np.sqrt(20_000))


def test_blocks_much_larger_than_the_map_drop_whole_maps():
    shares = dropped_share((3,), 200, 0.4, examples=2_000).mean(1)
    assert ((shares == 0) | (shares == 1)).mean() > 0.98


def test_small_chances_are_compared_to_all_bits(monkeypatch):
    drawn = jnp.array([0, 99, 100, 101, 2**32 - 1], jnp.uint32)
    monkeypatch.setattr(random.bits, "draw", lambda key, shape: drawn)
    for chance, hits in ((0.0, 0), (100 / 2**32, 2), (101 / 2**32, 3), (1 - 2**-24, 4), (1.0, 5)):
        for given in (chance, jnp.float32(chance)):
            assert int(random.rare_mask(jax.random.key(0), given, (5,)).sum()) == hits


def test_rate_zero_is_the_identity():
    x = jnp.full((1, 3, 1), jnp.inf)
    assert drop_block(None, x, 0.0, block_size=2) is x
    run = jax.jit(lambda rate: drop_block(jax.random.key(0), x, rate, block_size=2))
    np.testing.assert_array_equal(run(0.0), x)


@pytest.mark.parametrize("normalize", ["expected", "realized"])
@pytest.mark.parametrize("rate", [1.0, jnp.float32(1.0)], ids=["static", "traced"])
def test_rate_one_gives_zeros_with_zero_gradients(rate, normalize):
    x = jnp.array([1.0, -2.0, jnp.inf, jnp.nan]).reshape(1, 4, 1)

    def function(x):
        return drop_block(jax.random.key(0), x, rate, block_size=2, normalize=normalize)

    @jax.jit
    def everything(x):
        return function(x), jax.grad(lambda x: function(x).sum())(x), jax.jvp(function, (x,), (jnp.ones_like(x),))[1]

    for result in everything(x):
        np.testing.assert_array_equal(result, 0)


def test_dropped_entries_are_zero_with_zero_derivatives_whatever_they_were():
    def function(x):
        return drop_block(jax.random.key(2), x, 0.5, block_size=3)

    @jax.jit
    def derivatives(x):
        def total(x):
            return (function(x) ** 2).sum()

        return function(x), jax.grad(total)(x), jax.hessian(total)(x).reshape(50, 50)

    dropped = np.asarray(derivatives(jnp.ones((1, 50, 1)))[0] == 0)
    assert 0 < dropped.sum() < 50
    value, gradient, hessian = derivatives(jnp.where(dropped, jnp.nan, 3.0))
    np.testing.assert_array_equal(value, np.where(dropped, 0, 6))
    np.testing.assert_array_equal(gradient, np.where(dropped, 0, 24))
    np.testing.assert_array_equal(hessian, np.diag(np.where(dropped, 0, 8).ravel()))


@pytest.mark.parametrize("normalize", ["expected", "realized"])
def test_no_gradient_flows_to_the_rate(normalize):
    def total(rate):
        return drop_block(jax.random.key(0), jnp.ones((1, 8, 1)), rate, block_size=2, normalize=normalize).sum()

    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.grad(total)))(jnp.array([0.0, 0.5, 1.0])), 0)


def test_one_compilation_serves_all_rates():
    x, traces = jnp.ones((2, 5, 5, 2)), []

    @jax.jit
    @jax.vmap
    def sweep(rate):
        traces.append(None)
        return drop_block(jax.random.key(0), x, rate, block_size=3)

    given = ([0.0, 0.3], [0.6, 1.0])
    wanted = jax.jit(lambda x: [[drop_block(jax.random.key(0), x, r, block_size=3) for r in rates] for rates in given])
    for rates, results in zip(given, wanted(x), strict=True):
        np.testing.assert_allclose(sweep(jnp.array(rates)), jnp.stack(results), rtol=1e-6)
    assert len(traces) == 1


def test_double_precision_stays(enable_x64):
    x = jnp.linspace(1.0, 2.0, 40).reshape(1, 20, 2)
    for normalize in ("expected", "realized"):
        run = jax.jit(lambda x, n=normalize: drop_block(jax.random.key(0), x, 0.3, block_size=3, normalize=n))
        y = np.asarray(run(x))
        assert y.dtype == np.float64
        factor = 0.7 if normalize == "expected" else (y != 0).mean()
        np.testing.assert_allclose(y, np.where(y == 0, 0, x / factor), rtol=1e-14)


def test_errors_name_what_is_wrong():
    run = functools.partial(drop_block, jax.random.key(0))
    x = jnp.ones((2, 4, 4, 3))
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, \*spatial, channels\] with 1 or more spatial"):
        run(jnp.ones((2, 3)), 0.5, block_size=2)
    with pytest.raises(ValueError, match=r"`block_size` must have 2 sizes for `x` of shape \(2, 4, 4, 3\), got \(2,\)"):
        run(x, 0.5, block_size=(2,))
    with pytest.raises(ValueError, match="`block_size` must be >= 1, got 0"):
        run(x, 0.5, block_size=[2, 0])
    with pytest.raises(TypeError, match="`block_size` must be a Python integer, got 2.0"):
        run(x, 0.5, block_size=2.0)
    with pytest.raises(TypeError, match="`couple_channels` must be True or False, got 1"):
        run(x, 0.5, block_size=2, couple_channels=1)
    with pytest.raises(ValueError, match="`normalize` must be one of 'expected', 'realized', got 'batch'"):
        run(x, 0.5, block_size=2, normalize="batch")
