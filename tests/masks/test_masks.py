import functools
import re
from typing import NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.core import freeze

from regjax import masks
from regjax._src import paths as paths_module
from regjax._src.paths import leaf_paths

DENSE = {"bias": jnp.zeros(2), "kernel": jnp.ones((2, 2))}
PARAMS = {"encoder": {"Dense_0": DENSE, "LayerNorm_0": {"scale": jnp.ones(2), "bias": jnp.zeros(2)}}, "head": DENSE}


class Pair(NamedTuple):
    encoder: object
    head: object


class Net(nnx.Module):
    def __init__(self, rngs):
        self.encoder = nnx.Linear(2, 2, rngs=rngs)
        self.head = nnx.Linear(2, 2, rngs=rngs)


class Equinox(eqx.Module):
    encoder: dict
    head: dict


def chosen(mask, tree):
    """The paths that a mask selects."""
    return {path for path, yes in zip(leaf_paths(tree), jax.tree.leaves(masks.resolve(mask, tree)), strict=True) if yes}


@pytest.mark.parametrize(
    "tree",
    [
        {"encoder": DENSE, "head": DENSE},
        freeze({"encoder": DENSE, "head": DENSE}),
        Pair(DENSE, DENSE),
        Equinox(DENSE, DENSE),
        nnx.state(Net(nnx.Rngs(0))),
        nnx.state(Net(nnx.Rngs(0)), nnx.Param),
        {"encoder": {"bias": jnp.zeros(2), "kernel": nn.Partitioned(jnp.ones((2, 2)), ("a", "b"))}, "head": DENSE},
    ],
    ids=["dict", "FrozenDict", "NamedTuple", "Equinox", "nnx.State", "nnx params", "Partitioned"],
)
def test_paths_read_the_same_everywhere(tree):
    assert leaf_paths(tree) == ["encoder/bias", "encoder/kernel", "head/bias", "head/kernel"]
    assert chosen("**/kernel", tree) == {"encoder/kernel", "head/kernel"}
    assert chosen("encoder/*", tree) == {"encoder/bias", "encoder/kernel"}


def test_sequences_have_their_indices_in_paths():
    tree = ({"w": 1.0}, [2.0, 3.0])
    assert leaf_paths(tree) == ["0/w", "1/0", "1/1"]
    assert chosen("1/*", tree) == {"1/0", "1/1"}
    assert leaf_paths(jnp.ones(2)) == [""]
    assert chosen("**", jnp.ones(2)) == {""}


def test_unknown_keys_of_custom_nodes_are_shown_as_they_print():
    @jax.tree_util.register_pytree_with_keys_class
    class Odd:
        def tree_flatten_with_keys(self):
            return [("odd", 1.0)], None

        @classmethod
        def tree_unflatten(cls, _, children):
            del children
            return cls()

    assert leaf_paths(Odd()) == ["odd"]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("**/kernel", ["kernel", "a/kernel", "a/b/kernel"]),
        ("*/kernel", ["a/kernel"]),
        ("a/**", ["a/kernel", "a/b/kernel", "a/b/bias"]),
        ("a/**/kernel", ["a/kernel", "a/b/kernel"]),
        ("**", ["kernel", "a/kernel", "a/b/kernel", "a/b/bias"]),
        ("a/?/k*l", ["a/b/kernel"]),
        ("**/[bk]*s", ["a/b/bias"]),
        ("**/[!k]*", ["a/b/bias"]),
        ("/a/kernel/", ["a/kernel"]),
        ("**/b/**", ["a/b/kernel", "a/b/bias"]),
        (re.compile("kernel$"), ["kernel", "a/kernel", "a/b/kernel"]),
        (re.compile("^a/k"), ["a/kernel"]),
        (("kernel", "a/b/*"), ["kernel", "a/b/kernel", "a/b/bias"]),
        (["kernel", re.compile("bias")], ["kernel", "a/b/bias"]),
    ],
    ids=str,
)
def test_patterns(pattern, paths):
    tree = {"kernel": 1.0, "a": {"kernel": 1.0, "b": {"kernel": 1.0, "bias": 1.0}}}
    assert chosen(pattern, tree) == set(paths)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a[^x]b", "a^b", True),
        ("a[^x]b", "axb", True),
        ("a[^x]b", "a/b", False),
        ("a[!x]b", "a/b", False),
        ("a[!x]b", "ayb", True),
    ],
)
def test_sets_are_those_of_globs(pattern, path, matches):
    assert paths_module.matches(pattern, path) == matches


def test_a_malformed_glob_is_refused():
    with pytest.raises(ValueError, match=r"`mask` must be a well-formed glob, got '\[z-a\]': bad character range"):
        masks.resolve("[z-a]", PARAMS)


@pytest.mark.parametrize("path", ["a.b", "a+b", "a(b", "a\\b"])
def test_other_characters_stand_for_themselves(path):
    assert chosen(path, {path: 1.0, "ab": 1.0, "a?b": 1.0}) == {path}


@pytest.mark.parametrize(
    "mask", ["**/kernl", ("**/kernel", "**/kernl"), re.compile("kernl"), masks.exclude("**/kernl")]
)
def test_a_pattern_that_matches_nothing_names_itself_and_some_paths(mask):
    with pytest.raises(
        ValueError, match="`mask` must match a floating leaf, got '?.*kernl'? for the paths 'encoder/Dense"
    ):
        masks.resolve(mask, PARAMS)


@pytest.mark.parametrize(("pattern", "hint"), [("kernel", True), ("*/kernel", True), ("kernl", False), ("**/a", False)])
def test_a_pattern_of_the_wrong_depth_is_told_the_right_one(pattern, hint):
    with pytest.raises(ValueError, match="`mask` must match a floating leaf") as error:
        masks.resolve(masks.path(pattern), {"a1": {"Dense_0": {"kernel": 1.0}}})
    assert str(error.value).endswith(" ('**/kernel' matches some)") == hint


@pytest.mark.parametrize("mask", [masks.exclude("**"), lambda tree: jax.tree.map(lambda _: False, tree)])
def test_what_leaves_nothing_is_refused(mask):
    with pytest.raises(ValueError, match="`mask` must select a floating leaf, got .* for the paths 'encoder/Dense"):
        masks.resolve(mask, PARAMS)
    hidden = {"kernel": optax.MaskedNode(), "bias": jnp.ones(2)}
    mask = masks.exclude("bias") if isinstance(mask, masks.Mask) else mask
    assert masks.resolve(mask, hidden)["bias"] is False


ONLY_THE_TABLE = {"table": True, "bias": False}


@pytest.mark.parametrize(
    "mask",
    [
        masks.min_ndim(2),
        masks.no_bias_or_norm(),
        masks.exclude("bias"),
        masks.all_of(None, ONLY_THE_TABLE),
        lambda tree: ONLY_THE_TABLE,
    ],
    ids=["min_ndim", "no_bias_or_norm", "exclude", "all_of", "function"],
)
def test_integers_are_no_selection(mask):
    tree = {"table": jnp.ones((2, 2), jnp.int32), "bias": jnp.ones(2)}
    with pytest.raises(ValueError, match="`mask` must select a floating leaf"):
        masks.resolve(mask, tree)


def test_long_lists_of_paths_are_cut():
    tree = {f"layer_{i}": 1.0 for i in range(20)}
    with pytest.raises(ValueError, match="'layer_15' and 12 more"):
        masks.resolve("nothing", tree)


def test_a_pattern_that_matches_only_other_leaves_is_refused():
    with pytest.raises(ValueError, match="`mask` must match a floating leaf, got 'step'"):
        masks.resolve("step", {"step": jnp.int32(1), "w": 1.0})


def test_trees_without_leaves_are_let_pass():
    for mask in ("**/kernel", masks.min_ndim(2), masks.no_bias_or_norm()):
        assert masks.resolve(mask, {"a": {}, "b": None}) == {"a": {}, "b": None}


def test_what_a_wrapper_hides_counts_as_matched_but_not_as_selected():
    hidden = {"kernel": optax.MaskedNode(), "bias": jnp.ones(2), "state": nnx.Param(optax.MaskedNode())}
    for mask in (
        "kernel",
        "state",
        masks.min_ndim(2),
        masks.all_of("kernel", None),
        masks.first_match("**", "bias")[1],
    ):
        assert chosen(mask, hidden) == set()
    with pytest.raises(
        ValueError, match="`mask` must match a floating leaf, got 'kernl' for the paths 'bias', 'kernel'"
    ):
        masks.resolve("kernl", hidden)


def test_leaves_within_a_box_have_paths_of_their_own():
    boxed = {"p": nnx.Param({"b": jnp.zeros(3), "w": jnp.ones(3)}), "q": nnx.Param(jnp.ones(2))}
    assert leaf_paths(boxed) == ["p/b", "p/w", "q"]
    assert chosen("p/w", boxed) == {"p/w"}


def test_other_leaves_are_never_selected():
    tree = {"w": 1.0, "n": jnp.int32(2), "flag": True, "key": jax.random.key(0), "f": jax.nn.relu, "none": None}
    assert chosen(None, tree) == {"w"}
    assert chosen({"w": True, "n": True, "flag": True, "key": True, "f": True, "none": None}, tree) == {"w"}


def test_trees_of_bools():
    assert chosen({"encoder": True, "head": False}, PARAMS) == {p for p in leaf_paths(PARAMS) if p.startswith("enc")}
    exact = jax.tree.map(lambda leaf: leaf.ndim == 2, PARAMS)
    assert chosen(exact, PARAMS) == {"encoder/Dense_0/kernel", "head/kernel"}
    assert chosen(jax.tree.map(np.bool_, exact), PARAMS) == {"encoder/Dense_0/kernel", "head/kernel"}
    with pytest.raises(ValueError, match="`mask` must fit the structure of the tree"):
        masks.resolve({"encoder": True}, PARAMS)
    with pytest.raises(TypeError, match="`mask` must be None, a glob, a tree of Python bools or a function, got"):
        masks.resolve({"encoder": True, "head": 1.0}, PARAMS)


def test_functions():
    assert chosen(lambda tree: jax.tree.map(lambda leaf: leaf.ndim == 2, tree), PARAMS) == {
        "encoder/Dense_0/kernel",
        "head/kernel",
    }
    assert chosen(lambda _: "head/**", PARAMS) == {"head/bias", "head/kernel"}


def test_a_callable_tree_of_bools_is_a_tree():
    class Callable(eqx.Module):
        kernel: object
        bias: object

        def __call__(self, x):
            raise AssertionError("a mask must not be called when it is a tree")

    assert chosen(Callable(kernel=True, bias=False), Callable(jnp.ones(2), jnp.ones(2))) == {"kernel"}


@pytest.mark.parametrize("mask", [False, True, 0, 1.0, np.bool_(True), jnp.array(False)])
def test_a_scalar_is_refused(mask):
    with pytest.raises(TypeError, match=r"`mask` must be None.*got the scalar.*optax.inject_hyperparams"):
        masks.as_mask(mask)


def test_presets():
    tree = PARAMS | {
        "embedding": jnp.ones((5, 2)),
        "ln_f": {"weight": jnp.ones(2)},
        "normal_head": {"w": jnp.ones((2, 2))},
    }
    kernels = {"encoder/Dense_0/kernel", "head/kernel", "embedding", "normal_head/w"}
    assert chosen(masks.no_bias_or_norm(), tree) == kernels
    assert chosen(masks.min_ndim(2), tree) == kernels
    assert chosen(masks.all_of(masks.min_ndim(2), masks.exclude("embedding")), tree) == kernels - {"embedding"}
    for name in (
        "bn1",
        "BatchNorm_3",
        "RMSNorm",
        "layer_norm",
        "post_attention_layernorm",
        "GroupNorm",
        "normalization",
    ):
        assert chosen(masks.no_bias_or_norm(), {name: {"weight": 1.0}, "w": 1.0}) == {"w"}
    for name in ("lora_b", "enormous", "normalizing_flow", "abnormal"):
        assert chosen(masks.no_bias_or_norm(), {name: {"weight": 1.0, name: 1.0}}) == {
            f"{name}/weight",
            f"{name}/{name}",
        }
    for name in ("b", "beta", "q_bias", "offset"):
        assert chosen(masks.no_bias_or_norm(), {"x": {name: 1.0, "w": 1.0}}) == {"x/w"}


def test_stacked_layers():
    tree = {"kernel": jnp.ones((3, 2, 2)), "bias": jnp.ones((3, 2))}
    assert chosen(masks.min_ndim(2), tree) == {"kernel", "bias"}
    assert chosen(masks.min_ndim(2, stacked_axes=1), tree) == {"kernel"}


@pytest.mark.parametrize("mask", [masks.min_ndim(5), masks.no_bias_or_norm()])
def test_presets_that_select_nothing_are_refused(mask):
    with pytest.raises(ValueError, match="`mask` must select a floating leaf, got"):
        masks.resolve(mask, {"bias": jnp.ones(2)})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: masks.min_ndim(0), ValueError, "`n` must be >= 1, got 0"),
        (lambda: masks.min_ndim(1.5), TypeError, "`n` must be a Python integer, got 1.5"),
        (lambda: masks.min_ndim(1, stacked_axes=-1), ValueError, "`stacked_axes` must be >= 0, got -1"),
        (lambda: masks.path(), ValueError, "`patterns` must name at least one glob"),
        (lambda: masks.exclude(3), TypeError, "`patterns` must be globs or compiled regular expressions, got 3"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_first_match_is_disjoint_and_checks_every_mask():
    tree = {"a": {"kernel": 1.0, "bias": 1.0}, "kernel": 1.0}
    parts = masks.first_match("a/*", "**/kernel", "**")
    assert [chosen(part, tree) for part in parts[:2]] == [{"a/kernel", "a/bias"}, {"kernel"}]
    with pytest.raises(ValueError, match=r"`mask` must be the first to match some leaf, got path\('\*\*'\), behind"):
        masks.resolve(parts[2], tree)
    with pytest.raises(ValueError, match="got 'nothing' for the paths"):
        masks.resolve(masks.first_match("**", "nothing")[0], tree)


def test_an_intersection_that_is_empty_is_refused():
    with pytest.raises(ValueError, match=r"`mask` must select a floating leaf, got all_of\(path\('head/bias'\), min"):
        masks.resolve(masks.all_of("head/bias", masks.min_ndim(2)), PARAMS)


def test_masks_are_hashable_and_not_callable_and_print():
    every = [
        masks.as_mask(None),
        masks.path("a", re.compile("b")),
        masks.exclude("a"),
        masks.min_ndim(2, stacked_axes=1),
        masks.no_bias_or_norm(),
        masks.all_of("a", None),
        masks.first_match("a", "b")[1],
        masks.as_mask({"a": True}),
        masks.as_mask(len),
        masks.as_mask(functools.partial(max, key=None)),
    ]
    assert len(set(every)) == len(every)
    assert not any(map(callable, every))
    assert [repr(mask) for mask in every[:-1]] == [
        "None",
        "path('a', re.compile('b'))",
        "exclude('a')",
        "min_ndim(2, stacked_axes=1)",
        "no_bias_or_norm()",
        "all_of(path('a'), None)",
        "path('b')",
        "{'a': True}",
        "len",
    ]
    assert "partial" in repr(every[-1])


def test_select_hides_what_is_not_selected():
    state = nnx.state(Net(nnx.Rngs(0)), nnx.Param)
    selected = masks.select("**/kernel", state)
    assert leaf_paths(selected) == ["encoder/kernel", "head/kernel"]
    with pytest.raises(TypeError, match="must have real leaves, got complex ones at 'z'"):
        masks.select(None, {"z": jnp.ones(2, jnp.complex64)})
    assert masks.select("w", {"z": 1j, "w": 1.0}) == {"z": None, "w": 1.0}


def test_a_learned_rate_is_left_out_by_the_preset():
    tree = {"ConcreteDropout_0": {"rate_logit": 1.0}, "Dense_0": {"kernel": 1.0}}
    chosen = masks.resolve(masks.no_bias_or_norm(), tree)
    assert chosen == {"ConcreteDropout_0": {"rate_logit": False}, "Dense_0": {"kernel": True}}


def test_optax_cannot_take_a_mask_for_a_bool():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    mask = masks.no_bias_or_norm()
    for tx in (optax.adamw(0.1, mask=mask), optax.masked(optax.set_to_zero(), mask)):
        with pytest.raises(TypeError, match="`mask` must be resolved .* got no_bias_or_norm"):
            tx.update(params, tx.init(params), params)
    tx = optax.adamw(0.1, weight_decay=0.1, mask=lambda params: masks.resolve(mask, params))
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    assert (updates["kernel"] < 0).all() and (updates["bias"] == 0).all()


def test_a_function_that_forgets_to_return_is_refused():
    with pytest.raises(TypeError, match="`mask` must be a function that returns a mask, got one that returns None"):
        masks.resolve(lambda params: None, {"kernel": jnp.ones(2)})
