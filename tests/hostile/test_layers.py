"""The layers of Linen and NNX: what is wrong is said in one sentence, and nothing comes out wrong in silence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import regjax.linen
import regjax.nnx
from tests.hostile.layers import KEY, LAYERS
from tests.hostile.strategies import LAYERS_WITHOUT_KIND, refused_by_layer
from tests.hostile.test_arguments import check_refusal, few

DRAWING = [name for name, layer in LAYERS.items() if "deterministic" in layer.call]
MODULE_OF = {"linen": regjax.linen, "nnx": regjax.nnx}


def refuses(function, *arguments, **keywords):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*arguments, **keywords)
    check_refusal(caught.value)


def test_every_layer_is_called():
    public = {f"{room}.{name}" for room, module in MODULE_OF.items() for name in module.__all__}
    assert public - set(LAYERS) == {"linen.mc_apply", "nnx.mc_call"}


@pytest.mark.parametrize("name", LAYERS)
def test_good_arguments_are_taken(name):
    assert np.isfinite(LAYERS[name]()).all()


def test_every_parameter_has_a_kind_or_a_reason():
    without = {
        f"linen.*.{parameter}" if parameter in {"name", "parent"} else f"{name}.{parameter}"
        for name, layer in LAYERS.items()
        for _, parameter in layer.places
        if refused_by_layer(name, layer, parameter) is None
    }
    assert without == set(LAYERS_WITHOUT_KIND)


def refuses_drawn(name: str, data: st.DataObject) -> None:
    layer = LAYERS[name]
    kinds = {place: kind for place in layer.places if (kind := refused_by_layer(name, layer, place[1])) is not None}
    place, parameter = data.draw(st.sampled_from(sorted(kinds)), label="parameter")
    kind = kinds[place, parameter]
    if getattr(layer, place)[parameter].default is None:
        kind = kind.filter(lambda value: value is not None)
    refuses(layer.changed, place, parameter, data.draw(kind, label="value"))


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data())
@few(10)
def test_wrong_arguments_are_refused_in_one_sentence(name, data):
    refuses_drawn(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data())
@few(1000)
def test_many_wrong_arguments_are_refused_in_one_sentence(name, data):
    refuses_drawn(name, data)


@pytest.mark.parametrize("name", DRAWING)
def test_who_does_not_say_where_randomness_comes_from_is_told(name):
    layer = LAYERS[name]
    if "deterministic" in layer.constructor:
        refuses(layer, {"deterministic": None}, {"deterministic": None})
    if layer.room == "linen":
        refuses(layer, call={"rngs": {}})
        refuses(layer, call={"rngs": {"other": KEY}})
        refuses(layer, {"rng_collection": "noise"})
    else:
        refuses(layer, {"rngs": None})
        refuses(layer, {"rngs": nnx.Rngs(params=0)})
        refuses(layer, {"rngs": None}, {"rngs": nnx.Rngs(params=0)})


@pytest.mark.parametrize("name", DRAWING)
def test_a_layer_that_is_off_needs_no_key_and_changes_nothing(name):
    layer = LAYERS[name]
    source = {"rngs": None} if layer.room == "nnx" else {}
    streams = {"rngs": {}} if layer.room == "linen" else {}
    off = layer(source, {"deterministic": True} | streams)
    amount = next((amount for amount in ("rate", "stddev") if amount in layer.call), None)
    if amount is not None:
        np.testing.assert_array_equal(layer(source, {amount: 0.0} | streams), off)
    if "inputs" in layer.call and not {"layer", "residual"} & set(layer.constructor):
        np.testing.assert_array_equal(off, layer.inputs["inputs"])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("name", [name for name in LAYERS if "EmbeddingDropout" not in name])
def test_inputs_of_every_size_stay_what_they_are(name, dtype):
    layer = LAYERS[name]
    (parameter,) = {"args", "inputs", "x"} & set(layer.inputs)
    smallest = jnp.finfo(dtype).smallest_subnormal
    for x in (
        jnp.zeros((0, 2, 3), dtype),
        jnp.zeros((4, 0, 3), dtype),
        jnp.full((4, 2, 3), smallest, dtype),
        jnp.full((4, 2, 3), jnp.finfo(dtype).max / 8, dtype),
    ):
        y = layer(call={parameter: x})
        assert y.shape == x.shape
        # Parameters in float32 widen what they multiply.
        has_parameters = "GhostBatchNorm" in name or {"layer", "residual"} & set(layer.constructor)
        assert y.dtype == (jnp.float32 if has_parameters else dtype)
        if "GhostBatchNorm" not in name:
            assert jnp.isfinite(y.astype(jnp.float32)).all()


@pytest.mark.parametrize("name", [name for name in LAYERS if "EmbeddingDropout" not in name])
def test_what_is_no_number_stays_in_its_example(name):
    layer = LAYERS[name]
    (parameter,) = {"args", "inputs", "x"} & set(layer.inputs)
    x = layer.inputs[parameter]
    for entry in (jnp.nan, jnp.inf):
        broken = x.at[0].set(entry)
        good, bad = layer(call={parameter: x}), layer(call={parameter: broken})
        # Alpha dropout and its like are affine; blocks and batches are shared with the second example at most.
        np.testing.assert_array_equal(bad[2:], good[2:])


def mc_pass(room, module, key=KEY, **options):
    x = jnp.ones((2, 3))
    if room == "nnx":
        return regjax.nnx.mc_call(module, key, x)
    return regjax.linen.mc_apply(module, {}, key, x, **options)


@pytest.mark.parametrize("room", MODULE_OF)
def test_passes_of_monte_carlo_refuse_what_is_no_model_and_no_key(room):
    layer = MODULE_OF[room].Dropout(0.5)
    assert mc_pass(room, layer).shape == (2, 3)
    for module in (None, 3, "word", object(), jnp.ones(2), len, {}, MODULE_OF[room].Dropout):
        refuses(mc_pass, room, module)
    for key in (None, 0, "key", jnp.zeros(2), jax.random.split(KEY, 2), {"dropout": KEY}):
        refuses(mc_pass, room, layer, key)
    refuses(mc_pass, room, MODULE_OF[room].Dropout(0.0))
    if room == "linen":
        for stream in (None, 3, b"dropout", [], object()):
            refuses(mc_pass, room, layer, rng_collection=stream)
