"""A rule by itself where a transformation made of it is meant."""

import copy
import pickle

import jax
import jax.numpy as jnp
import optax
import pytest

from regjax import constraints, diagnostics, regularizers

MAX_NORM, L1 = constraints.max_norm(3.0), regularizers.l1(0.5)
RULES = {
    "a constraint": (MAX_NORM, "project"),
    "constraints by path": (constraints.by_path({"**/kernel": MAX_NORM, "bias": None}), "project"),
    "an intersection": (constraints.intersection(MAX_NORM, constraints.non_negative()), "project"),
    "a regularizer": (L1, "proximal_step"),
    "regularizers by path": (regularizers.by_path({"**/kernel": L1, "bias": None}), "proximal_step"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_in_a_chain_is_told_what_to_write(name):
    rule, transform = RULES[name]
    sentence = rf"^`optimizer` must be made of .*, got a \w+ by itself: write `regjax\.transforms\.{transform}\("
    with pytest.raises(AttributeError, match=sentence) as caught:
        optax.chain(optax.adam(1e-3), rule)
    assert ("add_penalty_gradients" in str(caught.value)) == (transform == "proximal_step")
    with pytest.raises(AttributeError, match=sentence):
        rule.update({}, None)


@pytest.mark.parametrize("name", RULES)
def test_all_else_about_missing_attributes_is_as_always(name):
    rule, _ = RULES[name]
    assert not hasattr(rule, "init") and not hasattr(rule, "update") and not hasattr(rule, "shape")
    with pytest.raises(AttributeError, match=r"^'\w+' object has no attribute 'penalti'") as caught:
        _ = rule.penalti
    assert caught.value.name == "penalti" and caught.value.obj is rule
    with pytest.raises(AttributeError):
        rule.init = None
    leaves, structure = jax.tree.flatten(rule)
    for again in (copy.copy(rule), copy.deepcopy(rule), pickle.loads(pickle.dumps(rule)), structure.unflatten(leaves)):
        assert again == rule and repr(again) == repr(rule) and hash(again) == hash(rule)
    assert jax.jit(lambda rule: rule)(rule) == rule
    with pytest.raises(TypeError, match="`rule_or_transform` must be"):
        diagnostics.describe(type("Holder", (), {"rule": rule})(), {"kernel": jnp.ones(2)})
