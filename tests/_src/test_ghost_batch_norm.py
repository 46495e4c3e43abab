"""The mathematics of ghost batch normalization, against NumPy in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax._src.ghost_batch_norm import Statistics, ghost_batch_norm, join_batch, split_batch

pytestmark = pytest.mark.usefixtures("strict_promotion")

RNG = np.random.default_rng(0)
MOMENTUM, EPSILON = 0.9, 1e-3


def reference(x, virtual_batch_size, *, axis=-1, mask=None, scale=1.0, bias=0.0, running=(0.0, 1.0)):
    """Normalizes group by group, in float64; the features must be along one axis."""
    x = np.asarray(x, np.float64)
    mask = np.broadcast_to(True if mask is None else mask, x.shape)
    features = np.moveaxis(x, axis, -1)
    allowed = np.moveaxis(mask, axis, -1)
    y = np.empty_like(features)
    means, variances, counts = [], [], []
    groups = np.array_split(np.arange(len(x)), max(1, -(-len(x) // virtual_batch_size)))
    for rows in groups:
        for f in range(features.shape[-1]):
            values = features[rows, ..., f][allowed[rows, ..., f]]
            means.append(values.mean() if values.size else 0)
            variances.append(values.var() if values.size else 0)
            counts.append(values.size)
    shape = (len(groups), features.shape[-1])
    means, variances, counts = (np.reshape(a, shape) for a in (means, variances, counts))
    some = counts.sum(0) > 0
    weights = counts / np.where(some, counts.sum(0), 1)
    shared = (
        np.where(some, (weights * means).sum(0), running[0]),
        np.where(some, (weights * variances).sum(0), running[1]),
    )
    for g, rows in enumerate(groups):
        mean, variance = (np.where(counts[g] > 0, own[g], s) for own, s in zip((means, variances), shared, strict=True))
        y[rows] = (features[rows] - mean) / np.sqrt(variance + EPSILON) * scale + bias
    moved = [MOMENTUM * np.asarray(old) + (1 - MOMENTUM) * new for old, new in zip(running, shared, strict=True)]
    return np.moveaxis(y, -1, axis), *moved


@functools.partial(jax.jit, static_argnames=("virtual_batch_size", "axis", "use_fast_variance", "axis_name"))
def run(x, virtual_batch_size, *, axis=-1, running=None, scale=None, bias=None, **options):
    running = running or Statistics(jnp.zeros(x.shape[axis]), jnp.ones(x.shape[axis]))
    defaults = {"use_fast_variance": False, "mask": None, "axis_name": None, "axis_index_groups": None}
    return ghost_batch_norm(
        x,
        running,
        scale,
        bias,
        virtual_batch_size=virtual_batch_size,
        axis=axis,
        momentum=MOMENTUM,
        epsilon=EPSILON,
        **(defaults | options),
    )


def assert_equal(got, wanted, **tolerance):
    y, (mean, var) = got
    for a, b in zip((y, mean, var), wanted, strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 1e-5, "atol": 1e-5} | tolerance))


@pytest.mark.parametrize(
    ("shape", "axis", "virtual_batch_size"),
    [
        ((8, 3), -1, 4),
        ((8, 3), 1, 100),
        ((8, 3), -1, 1),
        ((6, 2, 5, 3), -1, 2),
        ((6, 3, 2, 5), 1, 3),
        ((9, 4, 3), -1, 4),
        ((5, 3), -1, 4),
    ],
    ids=str,
)
def test_every_group_is_normalized_by_its_own_statistics(shape, axis, virtual_batch_size):
    x = jnp.asarray(RNG.normal(1, 2, shape), jnp.float32)
    features = shape[axis]
    running = Statistics(jnp.linspace(-1.0, 1.0, features), jnp.linspace(0.5, 2.0, features))
    scale, bias = jnp.linspace(0.5, 1.5, features), jnp.linspace(-1.0, 1.0, features)
    got = run(x, virtual_batch_size, axis=axis, running=running, scale=scale, bias=bias)
    numbers = {"running": tuple(map(np.asarray, running)), "scale": np.asarray(scale), "bias": np.asarray(bias)}
    assert_equal(got, reference(x, virtual_batch_size, axis=axis, **numbers))


def test_features_may_be_along_several_axes():
    x = jnp.asarray(RNG.normal(size=(4, 2, 5, 3)), jnp.float32)
    zeros, ones = jnp.zeros((2, 3)), jnp.ones((2, 3))
    y, (mean, var) = run(x, 2, axis=(1, -1), running=Statistics(zeros, ones), scale=ones, bias=zeros)
    flat = np.asarray(x).transpose(0, 2, 1, 3).reshape(4, 5, 6)
    wanted = reference(flat, 2)
    np.testing.assert_allclose(y, wanted[0].reshape(4, 5, 2, 3).transpose(0, 2, 1, 3), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mean, wanted[1].reshape(2, 3), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var, wanted[2].reshape(2, 3), rtol=1e-5)


@pytest.mark.parametrize(
    ("batch", "virtual_batch_size", "sizes"),
    [(8, 4, [4, 4]), (129, 128, [65, 64]), (10, 3, [3, 3, 2, 2]), (4097, 64, [64, 64] + [63] * 63), (3, 8, [3])],
)
def test_groups_are_few_and_as_equal_as_possible(batch, virtual_batch_size, sizes):
    x = np.arange(1, batch + 1).reshape(batch, 1)

    @jax.jit
    def there_and_back(x):
        grouped = split_batch(x, virtual_batch_size)
        return grouped, join_batch(grouped, batch)

    grouped, joined = map(np.asarray, there_and_back(x))
    assert [int((group > 0).sum()) for group in grouped] == sizes
    np.testing.assert_array_equal(grouped[grouped > 0], x[:, 0])
    np.testing.assert_array_equal(joined, x)


@pytest.mark.parametrize(
    ("shape", "virtual_batch_size"),
    [((8, 4, 3), 2), ((8, 4, 1), 8), ((8, 1, 1), 4), ((4, 3), 2), ((1, 4, 1), 4)],
    ids=str,
)
def test_masked_entries_do_not_count(shape, virtual_batch_size):
    mask = RNG.random(shape) < 0.5
    if shape[0] == 8:
        mask[:3] = True
        mask[-2:] = False  # as a batch that was filled up
    x = RNG.normal(1, 2, (8, 4, 3)).astype(np.float32)
    got = run(jnp.asarray(x), virtual_batch_size, mask=jnp.asarray(mask))
    assert_equal(got, reference(x, virtual_batch_size, mask=mask))
    # Numbers will do, as in Flax's layer of Linen.
    again = run(jnp.asarray(x), virtual_batch_size, mask=jnp.asarray(mask, jnp.int32))
    assert_equal(again, (got[0], *got[1]), atol=1e-6)


def test_a_ragged_batch_may_be_masked():
    x = RNG.normal(1, 2, (7, 3)).astype(np.float32)
    mask = RNG.random((7, 1)) < 0.6
    assert_equal(run(jnp.asarray(x), 3, mask=jnp.asarray(mask)), reference(x, 3, mask=mask))


def test_what_is_masked_may_be_anything():
    x = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    mask = jnp.array([True, True, True, False])[:, None]
    for fast in (False, True):
        function = functools.partial(run, virtual_batch_size=2, mask=mask, use_fast_variance=fast)
        wanted = function(x.at[3].set(0))
        for bad in (jnp.nan, jnp.inf):
            got = function(x.at[3].set(bad))
            np.testing.assert_array_equal(got[0][:3], wanted[0][:3])
            jax.tree.map(np.testing.assert_array_equal, got[1], wanted[1])
        gradient = jax.jit(jax.grad(lambda x, f=function: f(x)[1].var.sum()))(x.at[3].set(jnp.nan))
        assert np.isfinite(gradient).all()
        assert not gradient[3].any()


@pytest.mark.parametrize("rows", [0, 4])
def test_without_any_entry_the_running_statistics_stay(rows):
    running = Statistics(jnp.array([1.0, -2.0]), jnp.array([0.5, 2.0]))
    x = jnp.ones((rows, 2))
    y, moved = run(x, 2, running=running, mask=jnp.zeros((rows, 1), bool) if rows else None)
    wanted = (np.asarray(x) - np.asarray(running.mean)) / np.sqrt(np.asarray(running.var) + EPSILON)
    assert_equal((y, moved), (wanted, *running))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=str)
def test_low_precision_is_computed_in_float32_where_the_mean_is_large(dtype):
    x = jnp.asarray(RNG.normal(200, 1, (64, 3)), dtype)
    y, moved = run(x, 16)
    assert y.dtype == moved.mean.dtype == moved.var.dtype == jnp.float32
    assert_equal((y, moved), reference(np.asarray(x, np.float64), 16), rtol=1e-4, atol=1e-4)


def test_two_passes_do_not_cancel():
    x = (1e4 + RNG.normal(size=(64, 3))).astype(np.float32)
    wanted = reference(x, 32)[2]
    np.testing.assert_allclose(run(jnp.asarray(x), 32)[1].var, wanted, rtol=1e-5)
    fast = np.asarray(run(jnp.asarray(x), 32, use_fast_variance=True)[1].var)
    assert (abs(fast - wanted) > 0.01).any()
    x = RNG.normal(1, 2, (8, 3)).astype(np.float32)
    assert_equal(run(jnp.asarray(x), 4, use_fast_variance=True), reference(x, 4))


@pytest.mark.usefixtures("enable_x64")
def test_double_precision_and_dtypes_of_the_running_statistics():
    x = RNG.normal(1, 2, (8, 3))
    y, moved = run(jnp.asarray(x), 4, running=Statistics(jnp.zeros(3), jnp.ones(3)))
    assert_equal((y, moved), reference(x, 4), rtol=1e-12, atol=1e-12)
    kept = Statistics(jnp.zeros(3, jnp.float32), jnp.ones(3, jnp.bfloat16))
    y, moved = run(jnp.asarray(x), 4, running=kept)
    assert (y.dtype, moved.mean.dtype, moved.var.dtype) == (jnp.float64, jnp.float32, jnp.bfloat16)


@pytest.mark.usefixtures("enable_x64")
@pytest.mark.parametrize("batch", [6, 5])
def test_first_and_second_derivatives_are_those_of_the_formula(batch):
    x, direction = RNG.normal(size=(2, batch, 2))
    weights = RNG.normal(size=(batch, 2))

    def function(x):
        y, moved = run(x, 3, running=Statistics(jnp.zeros(2), jnp.ones(2)))
        return (weights * y**2).sum() + (moved.mean * moved.var).sum()

    @jax.jit
    @jax.value_and_grad
    def slope(x):
        return jax.jvp(function, (x,), (jnp.asarray(direction),))[1]

    def wanted(x):
        y, mean, var = reference(x, 3)
        return (weights * y**2).sum() + (mean * var).sum()

    h = 1e-5
    first = (wanted(x + h * direction) - wanted(x - h * direction)) / (2 * h)
    second = (wanted(x + 1e-3 * direction) - 2 * wanted(x) + wanted(x - 1e-3 * direction)) / 1e-6
    forward, curvature = slope(jnp.asarray(x))
    np.testing.assert_allclose(forward, first, rtol=1e-7)
    np.testing.assert_allclose((jax.jit(jax.grad(function))(jnp.asarray(x)) * direction).sum(), first, rtol=1e-7)
    np.testing.assert_allclose((curvature * direction).sum(), second, rtol=1e-3)


def test_a_constant_batch_has_finite_derivatives():
    def function(x):
        return run(x, 2)[0].sum()

    assert not np.asarray(function(jnp.ones((4, 2)))).any()
    hessian = jax.jit(jax.hessian(function))(jnp.ones((4, 2)))
    assert np.isfinite(hessian).all()


def test_over_a_mapped_axis_only_the_running_statistics_are_shared():
    x = jnp.asarray(RNG.normal(1, 2, (3, 4, 2)), jnp.float32)
    mask = RNG.random((3, 4, 1)) < 0.6
    function = functools.partial(run, virtual_batch_size=2, axis_name="device")
    y, moved = jax.vmap(function, axis_name="device")(x)
    assert_equal((y.reshape(12, 2), jax.tree.map(lambda a: a[0], moved)), reference(x.reshape(12, 2), 2))
    np.testing.assert_array_equal(moved.mean[0], moved.mean[1])
    # Where masks differ, so do the weights of the devices.
    y, moved = jax.vmap(lambda x, mask: function(x, mask=mask), axis_name="device")(x, jnp.asarray(mask))
    wanted = reference(x.reshape(12, 2), 2, mask=mask.reshape(12, 1))
    assert_equal((y.reshape(12, 2), jax.tree.map(lambda a: a[2], moved)), wanted)


def test_vmap_and_jit():
    x = jnp.asarray(RNG.normal(1, 2, (3, 6, 2)), jnp.float32)
    mapped = jax.jit(jax.vmap(functools.partial(run, virtual_batch_size=4)))(x)
    for i, row in enumerate(x):
        assert_equal(jax.tree.map(lambda a, i=i: a[i], mapped), reference(row, 4))


def test_arguments_are_checked():
    x = jnp.ones((4, 3))
    with pytest.raises(TypeError, match="`x` must be a floating array, got dtype int32"):
        run(x.astype(jnp.int32), 2)
    with pytest.raises(
        ValueError, match=r"`axis` must not name axis 0, which is the batch, got \(0,\) for `x` of shap"
    ):
        run(x, 2, axis=0)
    for shape in ((4, 2), (2, 4, 3), (4,)):
        with pytest.raises(ValueError, match=r"`mask` must broadcast to the shape \(4, 3\) of `x`, got \("):
            run(x, 2, mask=jnp.ones(shape, bool))
