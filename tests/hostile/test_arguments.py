"""Whatever is wrong about an argument is said in one sentence, by the library and not by what it calls."""

import re
import traceback

import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import regjax
from tests.cases import NAMES
from tests.hostile.calls import CALLS
from tests.hostile.strategies import WITHOUT_KIND, refused

SENTENCE = re.compile(r"`[\w.()=\[\]'/]+` must [^\n]*, got [^\n]*", re.DOTALL)
LONGEST = 600


def check_refusal(error: Exception) -> None:
    origin = traceback.extract_tb(error.__traceback__)[-1].filename
    assert isinstance(error, TypeError | ValueError), repr(error)
    assert "regjax/_src/checks/" in origin.replace("\\", "/"), f"{error!r} from {origin}"
    assert SENTENCE.fullmatch(str(error)), str(error)
    assert len(str(error)) < LONGEST


def few(examples: int):
    """Returns settings for the same few examples at every run; making a bad one smaller would take too long."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_every_public_function_is_called():
    assert set(CALLS) == NAMES


def test_every_parameter_has_a_kind_or_a_reason():
    parameters = {
        f"{name}.{parameter}": (call, parameter) for name, call in CALLS.items() for parameter in call.parameters
    }
    assert {name for name, parameter in parameters.items() if refused(*parameter) is None} == set(WITHOUT_KIND)


def refuses(name: str, data: st.DataObject) -> None:
    call = CALLS[name]
    kinds = {parameter: kind for parameter in call.parameters if (kind := refused(call, parameter)) is not None}
    parameter = data.draw(st.sampled_from(sorted(kinds)), label="parameter")
    value = data.draw(kinds[parameter], label="value")
    with pytest.raises((TypeError, ValueError)) as caught:
        call(**{parameter: value})
    check_refusal(caught.value)


# One has no parameters.
@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.parameters])
@given(data=st.data())
@few(8)
def test_wrong_arguments_are_refused_in_one_sentence(name, data):
    refuses(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.parameters])
@given(data=st.data())
@few(1000)
def test_many_wrong_arguments_are_refused_in_one_sentence(name, data):
    refuses(name, data)


def test_arrays_are_neither_dtypes_nor_steps():
    with pytest.raises(TypeError, match="`mu_dtype` must be a floating dtype or None, got an array"):
        regjax.transforms.proximal_adam(0.1, regjax.regularizers.l1(0.1), mu_dtype=jnp.ones(2))
    with pytest.raises(TypeError, match="`step` must be a Python integer, got an array of dtype key"):
        regjax.diagnostics.describe(regjax.regularizers.l1(0.1), {"w": jnp.ones(2)}, step=jax.random.key(0))
