import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import constraints, diagnostics, masks, regularizers, transforms

PARAMS = {"dense": {"kernel": jnp.array([[3.0, 0.0], [4.0, 0.0]]), "bias": jnp.array([0.0, -2.0])}, "n": jnp.int32(1)}


def rules(description):
    return {row.path: row.rules for row in description.rows}


def test_sparsity():
    report = jax.jit(diagnostics.sparsity)(PARAMS)
    assert {name: float(value) for name, value in report.total.items()} == {"zeros": 3, "size": 6, "sparsity": 0.5}
    assert float(report["dense/bias"]["sparsity"]) == 0.5
    assert "n" not in report.leaves
    assert float(diagnostics.sparsity({"empty": jnp.zeros((0, 2))}).total["sparsity"]) == 0.0


def test_sparsity_of_the_largest_models():
    huge = [jax.ShapeDtypeStruct((50_000, 50_000), jnp.float32)] * 2
    report = jax.eval_shape(diagnostics.sparsity, huge)
    assert report.total["size"].dtype == jnp.float32
    with pytest.raises(ValueError, match="`tree` must have leaves with different paths, got two at 'a/b'"):
        diagnostics.norms({"a/b": jnp.ones(2), "a": {"b": jnp.ones(2)}})


def test_columns_keep_their_order_through_jit():
    assert str(jax.jit(diagnostics.sparsity)(PARAMS)) == str(diagnostics.sparsity(PARAMS))


@pytest.mark.parametrize(("axis", "zeros", "size"), [(0, 1, 2), (1, 0, 2), ((0, 1), 0, 1), (None, 0, 1)])
def test_group_sparsity(axis, zeros, size):
    report = diagnostics.group_sparsity({"kernel": PARAMS["dense"]["kernel"]}, axis)
    assert (int(report["kernel"]["zeros"]), int(report["kernel"]["size"])) == (zeros, size)
    with pytest.raises(ValueError, match="`axis` must be in range for the leaf 'b' of shape"):
        diagnostics.group_sparsity({"b": jnp.ones(2)}, 1)


def test_sparsity_of_some_leaves():
    tree = PARAMS | {"head": {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(())}, "z": jnp.complex64(0)}
    every = jax.jit(diagnostics.sparsity)(tree)
    assert sorted(every.leaves) == ["dense/bias", "dense/kernel", "head/bias", "head/kernel"]
    kernels = jax.jit(lambda tree: diagnostics.sparsity(tree, mask="**/kernel"))(tree)
    assert {path: int(row["zeros"]) for path, row in kernels.leaves.items()} == {"dense/kernel": 2, "head/kernel": 6}
    assert int(kernels.total["size"]) == 10
    # Biases have no such axis, and do not count.
    groups = diagnostics.group_sparsity(tree, (1,), mask=masks.min_ndim(2))
    assert {path: int(row["zeros"]) for path, row in groups.leaves.items()} == {"dense/kernel": 0, "head/kernel": 2}
    assert (int(groups.total["zeros"]), int(groups.total["size"])) == (2, 4)
    for call in (diagnostics.sparsity, lambda tree, mask: diagnostics.group_sparsity(tree, None, mask=mask)):
        with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'kernl'"):
            call(tree, mask="kernl")


def test_norms():
    report = diagnostics.norms(PARAMS)
    assert {k: float(v) for k, v in report["dense/kernel"].items()} == {"l1": 7, "l2": 5, "max": 4, "max_unit": 5}
    assert {k: float(v) for k, v in report["dense/bias"].items()} == {"l1": 2, "l2": 2, "max": 2, "max_unit": 2}
    np.testing.assert_allclose([float(v) for v in report.total.values()], [9, 29**0.5, 4, 5], rtol=1e-6)
    scalar = diagnostics.norms({"temperature": jnp.bfloat16(-3.0), "empty": jnp.zeros((0, 2))})
    assert all(float(value) == 3 for value in scalar["temperature"].values())
    conv = diagnostics.norms(jnp.ones((3, 3, 4, 2), jnp.float16))
    np.testing.assert_allclose(conv.total["max_unit"], 6.0, rtol=1e-6)


def test_norms_whose_squares_are_out_of_range():
    total = diagnostics.norms({"a": jnp.full(2, 3e37), "b": jnp.full((2, 2), 4e19)}).total
    np.testing.assert_allclose(total["l2"], 2**0.5 * 3e37, rtol=1e-6)
    np.testing.assert_allclose(total["max_unit"], 2**0.5 * 3e37, rtol=1e-6)


def test_double_precision_is_kept(enable_x64):
    total = diagnostics.norms({"a": jnp.ones(2, jnp.float64), "b": jnp.ones(2, jnp.float32)}).total
    assert all(value.dtype == jnp.float64 for value in total.values())


def test_reports_leave_jit_and_scan_and_print():
    _, history = jax.lax.scan(lambda w, _: (0.5 * w, diagnostics.norms({"w": w})), jnp.ones((2, 2)), length=3)
    np.testing.assert_allclose(history.total["max"], [1, 0.5, 0.25])
    assert "float32[3]" in str(history)
    shown = []
    jax.jit(lambda w: shown.append(str(diagnostics.sparsity({"w": w}))))(jnp.ones(2))
    assert "<traced>" in shown[0]


def test_tables_are_aligned():
    lines = str(diagnostics.norms(PARAMS)).splitlines()
    assert len({line.rindex(line.split()[-1]) + len(line.split()[-1]) for line in lines}) == 1


def test_describe_a_rule():
    described = diagnostics.describe(regularizers.l1(0.1, mask="**/kernel"), PARAMS)
    assert rules(described) == {"dense/bias": (), "dense/kernel": ("l1(strength=0.1)",), "n": ()}
    assert "dense/bias    (2,)    float32  -" in str(described)
    by_path = constraints.by_path({"**/kernel": constraints.max_norm(1.0), "**/bias": constraints.max_norm(2.0)})
    # max_norm leaves biases alone unless an axis is named.
    assert rules(diagnostics.describe(by_path, PARAMS))["dense/bias"] == ()
    assert rules(diagnostics.describe(by_path, PARAMS))["dense/kernel"] == ("max_norm(bound=1.0, axis='auto')",)
    assert rules(diagnostics.describe(masks.path("**/bias"), PARAMS)) == {
        "dense/bias": ("selected",),
        "dense/kernel": (),
        "n": (),
    }


def full_chain(weight_decay=0.01):
    return optax.chain(
        transforms.add_penalty_gradients(regularizers.l2(0.1, mask="**/bias")),
        optax.sgd(0.1),
        transforms.decoupled_weight_decay(weight_decay, optax.constant_schedule(0.1), mask="**/kernel"),
        transforms.proximal_step(regularizers.l1(0.1), 0.1),
        transforms.project(constraints.non_negative()),
    )


KERNEL_RULES = (
    "decoupled_weight_decay: weight_decay=0.01, learning_rate=<schedule, 0.1 at step 0>",
    "proximal_step: l1(strength=0.1), learning_rate=0.1",
    "project: non_negative()",
)
BIAS_RULES = ("add_penalty_gradients: l2(strength=0.1)", *KERNEL_RULES[1:])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tx: tx,
        lambda tx: optax.MultiSteps(tx, 2),
        lambda tx: optax.MultiSteps(tx, 2).gradient_transformation(),
        lambda tx: optax.apply_if_finite(tx, 3),
        lambda tx: optax.masked(tx, {"dense": True, "n": False}),
    ],
    ids=["plain", "MultiSteps", "MultiSteps as a transformation", "apply_if_finite", "masked"],
)
def test_describe_sees_through_wrappers(wrap):
    described = rules(diagnostics.describe(wrap(full_chain()), PARAMS))
    assert described == {"dense/bias": BIAS_RULES, "dense/kernel": KERNEL_RULES, "n": ()}


def test_describe_sees_what_a_wrapper_hides():
    labels = {"dense": {"kernel": "train", "bias": "freeze"}, "n": "freeze"}
    inner = transforms.proximal_step(regularizers.l1(0.1), 0.1)
    partition = optax.partition({"train": inner, "freeze": optax.set_to_zero()}, labels)
    described = rules(diagnostics.describe(partition, PARAMS))
    assert described == {
        "dense/bias": (),
        "dense/kernel": ("proximal_step: l1(strength=0.1), learning_rate=0.1",),
        "n": (),
    }


def test_describe_under_inject_hyperparams_and_of_abstract_parameters():
    injected = optax.inject_hyperparams(transforms.decoupled_weight_decay)(0.1, mask="**/kernel")
    shapes = jax.eval_shape(lambda: PARAMS)
    described = rules(diagnostics.describe(injected, shapes))
    assert described["dense/kernel"] == ("decoupled_weight_decay: weight_decay=<injected, 0.1>",)
    schedule = transforms.decoupled_weight_decay(optax.constant_schedule(0.1))
    assert rules(diagnostics.describe(schedule, shapes))["dense/bias"] == (
        "decoupled_weight_decay: weight_decay=<schedule, 0.1 at step 0>",
    )


def test_describe_refuses_other_things():
    with pytest.raises(
        TypeError, match="`rule_or_transform` must be a regularizer, a constraint, a mask or an optimizer"
    ):
        diagnostics.describe(0.1, PARAMS)
    with pytest.raises(TypeError, match=r"\(of Flax's it is `tx`\), got \[0, 1") as refused:
        diagnostics.describe(list(range(1000)), PARAMS)  # what holds parameters is not shown as a whole
    assert len(str(refused.value)) < 400
    with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'nothing'"):
        diagnostics.describe(transforms.decoupled_weight_decay(0.1, mask="nothing"), PARAMS)


def test_counts_are_exact_where_floats_are_not():
    # Odd, and beyond 2^24: no number of float32.
    kernel = jnp.zeros(2**24 + 4, jnp.float8_e4m3fn).at[7].set(1)
    counted = jax.jit(diagnostics.sparsity)({"kernel": kernel, "no": jnp.ones(3)})
    assert int(counted["kernel"]["zeros"]) == 2**24 + 3
    assert int(counted.total["zeros"]) == 2**24 + 3 and counted.total["zeros"].dtype == jnp.int32


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (5, 4)])
def test_counts_of_all_and_none_also_under_vmap(shape):
    for value, zeros in ((0.0, np.prod(shape, dtype=int)), (jnp.nan, 0), (-0.0, np.prod(shape, dtype=int))):
        tree = jnp.full((3, *shape), value)
        counted = jax.vmap(lambda leaf: diagnostics.sparsity(leaf).total["zeros"])(tree)
        np.testing.assert_array_equal(counted, [zeros] * 3)
