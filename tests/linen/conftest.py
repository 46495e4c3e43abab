"""What the tests of Linen share."""

import flax.linen as nn
import jax
import pytest


@pytest.fixture
def scan():
    """Returns `flax.linen.scan`, which in the oldest Flax needs a newer JAX than the oldest."""
    if not hasattr(jax.sharding.NamedSharding, "update"):
        pytest.skip("flax.linen.scan of Flax 0.11.0 does not run with JAX 0.6")
    return nn.scan
