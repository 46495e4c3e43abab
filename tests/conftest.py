"""Settings and fixtures that every test shares."""

import os

import jax
import pytest

# Most of a run's time is XLA compiling small programs that run once, much of it LLVM optimizing them. Level 0 would
# compile faster still, but changes numbers by more than the tests allow. What comes later in the variable counts,
# so `XLA_FLAGS=--xla_backend_optimization_level=3` tests what users run.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=1 {os.environ.get('XLA_FLAGS', '')}"

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
