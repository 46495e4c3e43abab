"""The non-negativity constraint."""

import jax.numpy as jnp

from regjax._src.tree import map_floating
from regjax._src.types import PyTree


def non_negative(tree: PyTree) -> PyTree:
    r"""Sets negative weights to 0.

    .. math::

      x_i = \max(z_i, 0)

    Args:
      tree: floating arrays :math:`z` of any shape.

    Returns:
      A tree like `tree`, in structure, shapes and dtypes.

    Raises:
      TypeError: if a leaf is complex.

    Examples:
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> regjax.projections.non_negative(jnp.array([-1.0, 2.0]))
      Array([0., 2.], dtype=float32)

    References:
      Parikh and Boyd, `Proximal Algorithms <https://doi.org/10.1561/2400000003>`_, 2014, section 6.2.4
    """
    # Not `maximum`, which may turn -0 into 0. The comparison is false for NaN, which therefore stays.
    return map_floating(lambda _, z: jnp.where(z < 0, jnp.zeros_like(z), z), tree)
