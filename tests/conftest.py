"""Settings and fixtures that every test shares."""

import os

import jax
import jaxlib
import pytest

# Most of a run's time is XLA compiling small programs that run once. So here it does not optimize them, and makes code
# of them in its older and faster way where it still has that. `XLA_FLAGS=--xla_backend_optimization_level=3` tests
# what users run.
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    older = " --xla_cpu_use_fusion_emitters=false" if jaxlib.version.__version_info__ < (0, 11) else ""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0{older}"

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
