"""RandAugment: what it draws, that it computes nothing else, and the operations that move pixels."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.augment import rand_augment
from regjax.augment._operations import named_operations
from tests.augment.test_resample import scipy_resample

NAMES = tuple(named_operations(0))
MOTIONS = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
WITH_MAGNITUDE = tuple(name for name in NAMES if name not in {"autocontrast", "equalize"})
X = jnp.asarray(np.random.default_rng(0).uniform(size=(40, 6, 5, 3)), jnp.float32)


def adds(amount):
    return lambda key, image, magnitude: image + amount


@pytest.mark.usefixtures("strict_promotion")
def test_only_the_chosen_operations_are_computed():
    computed = collections.Counter()

    def counting(index):
        def operation(key, image, magnitude):
            jax.debug.callback(lambda: computed.update([index]))
            return image + 10.0**index

        return operation

    run = jax.jit(lambda k, x: rand_augment(k, x, operations=[counting(index) for index in range(3)]))
    total = int(np.asarray(run(jax.random.key(0), jnp.zeros((50, 1, 1, 1)))).sum())
    jax.effects_barrier()
    assert sum(computed.values()) == 100
    assert total == sum(number * 10**index for index, number in computed.items())


def test_operations_are_uniform_and_independent():
    run = jax.jit(lambda k, x: rand_augment(k, x, operations=(adds(0.0), adds(1.0), lambda k, x, m: 5 * x + 2)))
    # The first operation counts in base 5 before the second.
    y = np.asarray(run(jax.random.key(0), jnp.zeros((9000, 1, 1, 1)))).ravel()
    outcomes = {0: 1, 1: 2, 2: 3, 7: 1, 12: 1, 3: 1}
    counts = dict(zip(*np.unique(y, return_counts=True), strict=True))
    assert set(counts) == set(outcomes)
    for value, ways in outcomes.items():
        p = ways / 9
        assert abs(counts[value] - 9000 * p) < 5 * np.sqrt(9000 * p * (1 - p))


@pytest.fixture(scope="module")
def compiled():
    return jax.jit(lambda k, x, m: rand_augment(k, x, magnitude=m, operations=WITH_MAGNITUDE))


def test_the_magnitude_is_traced_and_zero_is_the_identity(compiled):
    np.testing.assert_array_equal(compiled(jax.random.key(0), X, 0.0), X)
    for magnitude in (0.3, 1.0):
        y = compiled(jax.random.key(0), X, magnitude)
        assert (y != X).any(axis=(1, 2, 3)).mean() > 0.5
        assert (y >= 0).all() and (y <= 1).all()
    assert compiled._cache_size() == 1


def test_low_precision_is_computed_in_float32():
    low = X.astype(jnp.bfloat16)
    run = jax.jit(lambda k, x: rand_augment(k, x, magnitude=0.7, operations=("color", "solarize")))
    wide = run(jax.random.key(1), low.astype(jnp.float32))
    result = run(jax.random.key(1), low)
    assert result.dtype == jnp.bfloat16
    np.testing.assert_array_equal(result, wide.astype(jnp.bfloat16))


@pytest.fixture(scope="module")
def both_ways():
    """The result of every operation at magnitude 0.5 for some keys, and the gradients of those on colours."""
    x = X[0]

    @jax.jit
    @jax.vmap
    def run(key):
        def results(x, kind):
            operations = named_operations(0.3).items()
            return {n: f(jax.random.clone(key), x, jnp.float32(0.5)) for n, f in operations if (n in MOTIONS) == kind}

        y, pull = jax.vjp(lambda x: results(x, kind=False), x)
        return y | results(x, kind=True), pull(jax.tree.map(jnp.ones_like, y))[0]

    return run(jax.random.split(jax.random.key(0), 8))


def shifted(down, right):
    return np.eye(2), np.array([down, right])


def turned(degrees):
    a = np.deg2rad(degrees)
    return np.linalg.inv([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), np.zeros(2)


@pytest.mark.parametrize(
    ("name", "motion"),
    [
        ("rotate", lambda sign: turned(15 * sign)),
        ("shear_x", lambda sign: (np.linalg.inv([[1, 0], [0.15 * sign, 1]]), np.zeros(2))),
        ("shear_y", lambda sign: (np.linalg.inv([[1, 0.15 * sign], [0, 1]]), np.zeros(2))),
        ("translate_x", lambda sign: shifted(0, 75 / 331 * 5 * sign)),
        ("translate_y", lambda sign: shifted(75 / 331 * 6 * sign, 0)),
    ],
)
def test_motions_go_both_ways(both_ways, name, motion):
    expected = np.stack([scipy_resample(np.asarray(X[0], np.float64), *motion(s), 1, "constant") for s in (1, -1)])
    found = abs(np.asarray(both_ways[0][name])[:, None] - expected).max((2, 3, 4)) < 1e-5
    assert (found.sum(1) == 1).all() and found.any(0).all()


@pytest.mark.parametrize("name", ["brightness", "contrast", "color", "sharpness"])
def test_colours_go_both_ways(both_ways, name):
    assert len(np.unique(np.asarray(both_ways[0][name]).reshape(8, -1), axis=0)) == 2


def test_brightness_has_the_factor_of_the_table(both_ways):
    darkest = np.asarray(both_ways[0]["brightness"]).min(0)
    np.testing.assert_allclose(darkest, 0.55 * np.asarray(X[0]), rtol=1e-5)


def test_gradients_are_finite(both_ways):
    assert jnp.isfinite(both_ways[1]).all() and (both_ways[1] != 0).any()


def test_all_operations_are_the_default():
    text = str(jax.make_jaxpr(rand_augment)(jax.random.key(0), X))
    named = str(jax.make_jaxpr(lambda k, x: rand_augment(k, x, operations=NAMES))(jax.random.key(0), X))
    assert text == named and len(NAMES) == 14


def test_vmap_over_keys_and_old_style_keys():
    keys = jax.random.split(jax.random.key(3), 2)

    def run(k):
        return rand_augment(
            k, jnp.zeros((4, 1, 1, 1)), operations=(adds(1.0), lambda k, x, m: x + jax.random.uniform(k))
        )

    one = jax.jit(run)
    alone = [one(numbers) for numbers in np.asarray(jax.random.key_data(keys))]
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(keys), jnp.stack(alone), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"magnitude": 1.5}, ValueError, r"`magnitude` must be in \[0, 1\], got 1.5"),
        ({"num_operations": 0}, ValueError, "`num_operations` must be >= 1"),
        ({"num_operations": 2.0}, TypeError, "`num_operations` must be a Python integer"),
        ({"operations": ()}, ValueError, "`operations` must have at least one entry"),
        ({"operations": ("rotat",)}, ValueError, "`operations` must be functions or among 'identity', .*, got 'rotat'"),
        ({"operations": (3,)}, TypeError, "`operations` must be names or functions"),
        ({"operations": "rotate"}, TypeError, "`operations` must be a tuple of names and functions, got 'rotate'"),
        ({"fill": (1, 2)}, ValueError, "`fill` must have shape"),
        (
            {"operations": (lambda k, x, m: x[:2],)},
            ValueError,
            r"`the result of operations\[0\]` must have the shapes and dtypes of `image`",
        ),
    ],
)
def test_errors(options, error, message):
    with pytest.raises(error, match=message):
        jax.eval_shape(lambda k: rand_augment(k, X, **options), jax.random.key(0))


def test_images_are_floating_and_come_in_batches():
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype uint8"):
        rand_augment(jax.random.key(0), X.astype(jnp.uint8))
    with pytest.raises(ValueError, match=r"`x` must have shape \[batch, height, width, channels\]"):
        rand_augment(jax.random.key(0), X[0])
