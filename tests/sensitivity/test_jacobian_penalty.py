"""The Jacobian penalty, from Jacobians written out by hand and the variance that projections must have."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regjax.sensitivity import jacobian_penalty
from tests.sensitivity import models

pytestmark = pytest.mark.usefixtures("strict_promotion")

SHAPES = {"few outputs": (5, 3), "few inputs": (3, 5)}


def reference(p, x):
    return np.mean(np.sum(models.jacobians(p, x) ** 2, axis=(1, 2)))


@pytest.mark.parametrize(
    ("shape", "mode", "chunk_size"),
    [
        ("few outputs", "reverse", None),
        ("few outputs", "reverse", 1),
        ("few outputs", "reverse", 2),
        ("few outputs", "forward", 2),
        ("few inputs", "forward", None),
        ("few inputs", "forward", 1),
        ("few inputs", "reverse", 2),
    ],
)
def test_exact_value_and_gradient(shape, mode, chunk_size):
    inputs, outputs = SHAPES[shape]
    p, x = models.params(inputs, outputs), models.batch(inputs)

    def function(p):
        return jacobian_penalty(functools.partial(models.network, p), jnp.float32(x), mode=mode, chunk_size=chunk_size)

    models.check(function, lambda p: reference(p, x), p)


def test_a_chunk_of_all_passes_is_no_chunk():
    def traced(chunk_size):
        return str(jax.make_jaxpr(lambda x: jacobian_penalty(jnp.sin, x, chunk_size=chunk_size))(jnp.ones((2, 3))))

    assert traced(3) == traced(None) != traced(2)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_of_a_linear_map_it_is_the_norm_of_the_kernel_and_its_gradient_twice_the_kernel(mode):
    kernel = np.random.default_rng(0).standard_normal((6, 4))

    @jax.jit
    @jax.value_and_grad
    def penalty(w):
        return jacobian_penalty(lambda x: x @ w, jnp.ones((8, 6)), mode=mode)

    value, gradient = penalty(jnp.float32(kernel))
    np.testing.assert_allclose(value, np.sum(kernel**2), rtol=3e-7)
    np.testing.assert_allclose(gradient, 2 * kernel, rtol=1e-6)


def test_axes_after_the_first_are_flattened():
    @jax.jit
    def values(x, vector):
        return (
            jacobian_penalty(lambda x: x[:, :, None] * 2, x),
            jacobian_penalty(lambda x: x.sum((1, 2, 3)), x),
            jacobian_penalty(lambda x: 3 * x, vector),
        )

    first, *others = values(np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 10, np.ones(5, np.float32))
    assert float(first) == pytest.approx(4 * 12)
    assert others == [12, 9]


@functools.cache
def estimates(count, mode="reverse"):
    """Draws many estimates for one example, with the matrix J that they are of."""
    p, x = models.params(5, 4, seed=3), models.batch(5, size=1)
    fn = functools.partial(models.network, models.single(p))

    def one(key):
        return jacobian_penalty(fn, jnp.float32(x), key=key, num_projections=count, mode=mode)

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(count), 20_000)), np.float64)


@pytest.mark.parametrize(("count", "mode"), [(1, "reverse"), (2, "reverse"), (3, "reverse"), (2, "forward")])
def test_projections_are_unbiased_and_vary_as_orthonormal_ones_do(count, mode):
    j = models.jacobians(models.params(5, 4, seed=3), models.batch(5, size=1))[0]
    size = 4 if mode == "reverse" else 5
    total, fourth = np.sum(j**2), np.sum((j @ j.T) ** 2)
    variance_of_one = 2 * size / (size + 2) * fourth - 2 / (size + 2) * total**2
    variance = variance_of_one / count * (size - count) / (size - 1)

    draws = estimates(count, mode)
    assert abs(draws.mean() - total) < 5 * np.sqrt(variance / draws.size)
    kurtosis = np.mean((draws - draws.mean()) ** 4)
    assert abs(draws.var() - variance) < 5 * np.sqrt((kurtosis - variance**2) / draws.size)
    # Independent vectors would be told apart.
    if count > 1:
        assert abs(draws.var() - variance_of_one / count) > 20 * np.sqrt((kurtosis - variance**2) / draws.size)


def test_every_example_has_directions_of_its_own():
    p = models.params(5, 4, seed=3)
    fn = functools.partial(models.network, models.single(p))
    x = jnp.repeat(jnp.float32(models.batch(5, size=1)), 8, axis=0)
    keys = jax.random.split(jax.random.key(1), 2_000)
    draws = jax.jit(jax.vmap(lambda key: jacobian_penalty(fn, x, key=key, num_projections=1)))(keys)
    assert np.var(draws) == pytest.approx(np.var(estimates(1)) / 8, rel=0.2)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_as_many_projections_as_outputs_give_the_exact_value(shape, key):
    p, x = models.params(*shape), models.batch(shape[0])
    fn = functools.partial(models.network, models.single(p))

    @jax.jit
    def values(x, key):
        modes = ("auto", shape[1]), ("reverse", shape[1]), ("forward", shape[0])
        keys = jax.random.split(key, len(modes))
        return [
            jacobian_penalty(fn, x, key=key, num_projections=count, mode=mode)
            for key, (mode, count) in zip(keys, modes, strict=True)
        ]

    np.testing.assert_allclose(values(jnp.float32(x), key), reference(p, x), rtol=1e-6)


def fewer(fn):
    return lambda x: fn(x)[:, :2]


def more(fn):
    return lambda x: jnp.concatenate([fn(x), fn(x)], 1)


@pytest.mark.parametrize("options", [{}, {"num_projections": 1}, {"chunk_size": 1}], ids=str)
def test_auto_takes_the_mode_with_fewer_passes(options):
    x = jnp.ones((2, 3))

    def penalty(fn, mode="auto"):
        return jacobian_penalty(fn, x, mode=mode, key=jax.random.key(0), **options)

    # Both Jacobians are a multiple of orthonormal rows or columns, so that projections make no difference.
    values = jax.jit(lambda: [penalty(fewer(models.custom_sine)), penalty(more(models.looped))])()
    np.testing.assert_allclose(values, [2 * np.cos(1) ** 2, 6 * 64], rtol=1e-6)
    for fn, mode in ((more, "auto"), (fewer, "forward")):
        with pytest.raises(
            TypeError, match=r"`fn` must be without functions of `jax.custom_vjp` in mode 'forward', got"
        ):
            penalty(fn(models.custom_sine), mode)
    for fn, mode in ((fewer, "auto"), (more, "reverse")):
        with pytest.raises(ValueError, match=r"`fn` must be without `while_loop` and .* in mode 'reverse', got one"):
            penalty(fn(models.looped), mode)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_other_errors_of_a_function_are_its_own(kind, mode):
    @jax.custom_jvp
    def underivable(x):
        return x

    @underivable.defjvp
    def rule(primals, tangents):
        raise kind("mine")

    with pytest.raises(kind, match="^mine"):
        jacobian_penalty(underivable, jnp.ones((2, 3)), mode=mode)


def test_training_through_a_custom_vjp():
    gradient = jax.jit(jax.grad(lambda a: jacobian_penalty(lambda x: models.custom_sine(a * x), jnp.ones((2, 1)))))(
        jnp.float32(0.5)
    )
    np.testing.assert_allclose(gradient, np.cos(0.5) ** 2 - 0.25 * np.sin(1.0), rtol=1e-5)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_auxiliary_output_comes_back(mode):
    x = jnp.float32(models.batch(5))
    p = models.single(models.params(5, 3))

    def fn(x):
        return models.network(p, x), {"x": x, "two": jnp.int32(2)}

    @jax.jit
    def with_and_without(x):
        return jacobian_penalty(fn, x, mode=mode, has_aux=True), jacobian_penalty(lambda x: fn(x)[0], x, mode=mode)

    (penalty, aux), alone = with_and_without(x)
    chex.assert_trees_all_equal(aux, {"x": x, "two": jnp.int32(2)})
    np.testing.assert_array_equal(penalty, alone)


def test_a_step_with_one_projection_takes_twice_the_operations():
    widths = [128] * 6 + [10]
    kernels = [jnp.zeros((inputs, outputs)) for inputs, outputs in zip([128, *widths], widths, strict=False)]

    def twice(kernels, x):
        for kernel in kernels[:-1]:
            x = jnp.tanh(x @ kernel)
        return x @ kernels[-1], x @ kernels[-1]

    def plain(kernels, x, key):
        return jnp.sum(jnp.square(twice(kernels, x)[0]))

    def penalized(kernels, x, key):
        fn = functools.partial(twice, kernels)
        penalty, logits = jacobian_penalty(fn, x, key=key, num_projections=1, has_aux=True)
        return jnp.sum(jnp.square(logits)) + penalty

    def operations(loss):
        step = jax.jit(jax.grad(loss)).lower(kernels, jnp.zeros((32, 128)), jax.random.key(0)).compile()
        return step.cost_analysis()["flops"]

    # The plain step has no gradient of the first layer's input, hence more than 2.
    assert operations(penalized) < 2.2 * operations(plain)


def test_chunks_save_memory_in_training():
    p, x = models.single(models.params(64, 32, hidden=64)), jnp.ones((64, 64))

    def memory(chunk_size):
        def penalty(p):
            return jacobian_penalty(functools.partial(models.network, p), x, chunk_size=chunk_size)

        return jax.jit(jax.grad(penalty)).lower(p).compile().memory_analysis().temp_size_in_bytes

    assert memory(2) < memory(None) / 4


def test_functions_with_noise_of_their_own():
    """The key of the noise is used once, as the checks of JAX for keys demand."""

    @jax.jit
    def penalty(key):
        noise_key, key = jax.random.split(key)

        def fn(x):
            return x * jax.random.normal(noise_key, x.shape)

        return jacobian_penalty(fn, jnp.ones((2, 3)), key=key, num_projections=3)

    noise = jax.random.normal(jax.random.split(jax.random.key(0))[0], (2, 3))
    np.testing.assert_allclose(penalty(jax.random.key(0)), jnp.sum(noise**2) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "options"), [("reverse", {"num_projections": 2}), ("forward", {"chunk_size": 2})], ids=str
)
def test_jit_and_vmap_over_parameters_and_keys(mode, options):
    x = jnp.float32(models.batch(4))
    lanes = [models.single(models.params(4, 3, seed=seed)) for seed in (0, 1)]
    keys = jax.random.split(jax.random.key(0))
    traces = []

    def penalty(p, key):
        traces.append(None)
        return jacobian_penalty(functools.partial(models.network, p), x, key=key, mode=mode, **options)

    mapped = jax.jit(jax.vmap(penalty))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *lanes), keys)
    compiled = jax.jit(penalty)
    traces.clear()
    alone = [compiled(p, key) for p, key in zip(lanes, jax.random.clone(keys), strict=True)]
    assert len(traces) == 1
    np.testing.assert_allclose(mapped, alone, rtol=1e-5)


@pytest.mark.parametrize(("mode", "options"), [("reverse", {"num_projections": 2}), ("forward", {})], ids=str)
def test_low_precision_is_summed_in_float32(mode, options):
    p, x = models.single(models.params(6, 4), jnp.bfloat16), jnp.asarray(models.batch(6), jnp.bfloat16)

    @jax.jit
    def penalty(p, x):
        return jacobian_penalty(functools.partial(models.network, p), x, key=jax.random.key(0), mode=mode, **options)

    value = penalty(p, x)
    assert value.dtype == jnp.float32 and value.shape == ()
    np.testing.assert_allclose(value, penalty(models.single(p), jnp.float32(x)), rtol=0.03)
    # 4096 equal squares: sums in bfloat16 stop growing at 256.

    @jax.jit
    def sums():
        many, large = jnp.ones((1, 4096), jnp.bfloat16), jnp.ones((1, 3), jnp.float16)
        return (
            jacobian_penalty(lambda x: x, many, mode=mode, chunk_size=512),
            jacobian_penalty(lambda x: 400 * x, large, mode=mode),
        )

    assert sums() == (4096, 480_000)


@pytest.mark.usefixtures("enable_x64")
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_double_precision(mode, key):
    p, x = models.params(6, 4), models.batch(6)
    fn = functools.partial(models.network, models.single(p, jnp.float64))
    value = jax.jit(lambda x: jacobian_penalty(fn, x, mode=mode))(x)
    assert value.dtype == jnp.float64
    np.testing.assert_allclose(value, reference(p, x), rtol=1e-13)
    mixed = jax.eval_shape(
        lambda x: jacobian_penalty(lambda x: x.astype(jnp.float32), x, mode=mode, key=key, num_projections=2), x
    )
    assert mixed.dtype == jnp.float64


def test_derivatives_are_finite_where_the_jacobian_vanishes():
    def penalty(w):
        return jacobian_penalty(lambda x: jnp.tanh(x @ w), jnp.ones((2, 3)))

    gradient, hessian = jax.jit(lambda w: (jax.grad(penalty)(w), jax.hessian(penalty)(w)))(jnp.zeros((3, 2)))
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_allclose(hessian.reshape(6, 6), 2 * np.eye(6), atol=1e-6)


@pytest.mark.parametrize(
    ("fn", "options", "error", "message"),
    [
        (jnp.sin, {"num_projections": 0}, ValueError, "`num_projections` must be >= 1, got 0"),
        (jnp.sin, {"num_projections": 4}, ValueError, "`num_projections` must be <= 3, the number of directions"),
        (lambda x: x[:, :2], {"num_projections": 3}, ValueError, "`num_projections` must be <= 2, the number of"),
        (lambda x: x[:, :2], {"num_projections": 4, "mode": "forward"}, ValueError, "`num_projections` must be <= 3"),
        (jnp.sin, {"num_projections": 1.0}, TypeError, "`num_projections` must be a Python integer, got 1.0"),
        (jnp.sin, {"num_projections": 1, "key": None}, TypeError, "`key` must be a PRNG key where `num_projections`"),
        (jnp.sin, {"num_projections": 1, "key": 3}, TypeError, "`key` must be a PRNG key such as"),
        (jnp.sin, {"mode": "exact"}, ValueError, "`mode` must be one of 'auto', 'reverse', 'forward', got 'exact'"),
        (jnp.sin, {"chunk_size": 0}, ValueError, "`chunk_size` must be >= 1, got 0"),
        (jnp.sin, {"has_aux": 1}, TypeError, "`has_aux` must be True or False, got 1"),
        (jnp.sin, {"has_aux": True}, TypeError, r"`fn\(x\)` must return a pair \(output, auxiliary\) where"),
        (lambda x: (x, x), {}, TypeError, r"`fn\(x\)` must return one array, or with `has_aux=True` a pair, got \("),
        (lambda x: x > 0, {}, TypeError, r"`fn\(x\)` must be a floating array, got dtype bool"),
        (jnp.sum, {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 examples of `x`, got shape \(\)"),
        (lambda x: x[:1], {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 .* got shape \(1, 3\)"),
        (lambda x: x[:, :0], {}, ValueError, r"`fn\(x\)` must have a row for each of the 2 .* got shape \(2, 0\)"),
    ],
)
def test_wrong_arguments_are_refused(fn, options, error, message, key):
    with pytest.raises(error, match=f"^{message}"):
        jacobian_penalty(fn, jnp.ones((2, 3)), **{"key": key} | options)


def test_wrong_inputs_are_refused():
    with pytest.raises(TypeError, match="^`x` must be a floating array, got dtype int32"):
        jacobian_penalty(jnp.sin, jnp.ones((2, 3), jnp.int32))
    with pytest.raises(ValueError, match=r"^`x` must have a leading axis, got shape \(\)"):
        jacobian_penalty(jnp.sin, 1.0)
    with pytest.raises(ValueError, match=r"^`x` must have at least one entry, got shape \(0, 3\)"):
        jacobian_penalty(jnp.sin, jnp.ones((0, 3)))


def test_by_default_not_all_of_many_passes_are_kept_at_once():
    kernels = jnp.ones((32, 32)), jnp.ones((32, 128))

    def memory(**options):
        def penalty(kernels, x):
            return jacobian_penalty(
                lambda x: jnp.tanh(jnp.tanh(x @ kernels[0]) @ kernels[1]), x, mode="reverse", **options
            )

        compiled = jax.jit(jax.grad(penalty)).lower(kernels, jnp.ones((16, 32))).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert memory() < memory(chunk_size=None) / 2
