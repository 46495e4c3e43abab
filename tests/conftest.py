"""Settings and fixtures that every test shares."""

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def strict_promotion():
    """Refuses implicit dtype promotion; not set globally because optax itself relies on promotion."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def enable_x64():
    """Turns double precision on."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
