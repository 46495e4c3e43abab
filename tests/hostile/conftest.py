"""Settings of the tests with hostile input."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def no_check_of_keys():
    """Lets keys be used again: the check of that makes each of the many small calls slow."""
    with jax.debug_key_reuse(False):
        yield
