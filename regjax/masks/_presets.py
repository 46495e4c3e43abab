"""Masks that are said by the usual rules about shapes and names."""

import dataclasses
import re

import jax
import numpy as np

from regjax._src import checks, paths
from regjax._src.types import PyTree
from regjax.masks._mask import Mask, not_nothing


@dataclasses.dataclass(frozen=True, repr=False)
class MinNdim(Mask):
    """Selects leaves by their number of axes."""

    minimum: int
    stacked_axes: int

    def selected(self, tree: PyTree) -> list[bool]:
        result = [np.ndim(leaf) - self.stacked_axes >= self.minimum for leaf in jax.tree.leaves(tree)]
        return not_nothing(self, result, tree)

    def __repr__(self) -> str:
        return f"min_ndim({self.minimum}, stacked_axes={self.stacked_axes})"


def min_ndim(n: int, *, stacked_axes: int = 0) -> Mask:
    """Selects the leaves that have at least `n` axes.

    With `n = 2` these are kernels and embeddings, but not biases and scales. Layers that are scanned over are stacked
    along leading axes, which makes a bias two-dimensional: `stacked_axes` says how many axes of every leaf to leave
    out of the count.

    Args:
      n: the smallest number of axes, >= 1.
      stacked_axes: the number of axes that stacking added, >= 0.

    Returns:
      A mask; resolving it raises `ValueError` where it selects nothing.

    Raises:
      TypeError: if an argument is no Python integer.
      ValueError: if an argument is too small.

    Examples:
      >>> import jax.numpy as jnp
      >>> from regjax import masks
      >>> scanned = {"kernel": jnp.ones((12, 4, 4)), "bias": jnp.ones((12, 4))}
      >>> masks.resolve(masks.min_ndim(2, stacked_axes=1), scanned)
      {'bias': False, 'kernel': True}
    """
    return MinNdim(checks.at_least("n", n, 1), checks.at_least("stacked_axes", stacked_axes, 0))


# "ln_f", "layer_norm", "LayerNorm_0", "bn1", "norm1", "RMSNorm", but not "normal_head" or "enormous".
_NORM = re.compile(
    r"(?:^|_)(?:batch|layer|group|instance|rms|weight|spectral)?_?(?:norm(?:alization)?|ln|bn)(?:_|\d|$)"
)
# "q_bias", but not the "lora_b" of a low-rank adapter.
_BIAS_OR_SCALE = re.compile(r"^b$|^rate_logit$|(?:^|_)(?:bias|scale|beta|gamma|offset)$")


@dataclasses.dataclass(frozen=True, repr=False)
class NoBiasOrNorm(Mask):
    """Selects leaves by the usual names."""

    def selected(self, tree: PyTree) -> list[bool]:
        result = [not self._left_out(text.lower().split("/")) for text in paths.leaf_paths(tree)]
        return not_nothing(self, result, tree)

    @staticmethod
    def _left_out(parts: list[str]) -> bool:
        return bool(_BIAS_OR_SCALE.search(parts[-1])) or any(map(_NORM.search, parts))

    def __repr__(self) -> str:
        return "no_bias_or_norm()"


def no_bias_or_norm() -> Mask:
    """Selects every leaf but biases and the parameters of normalization layers.

    Left out is a leaf whose last key is `b`, or is or ends in `bias`, `scale`, `beta`, `gamma` or `offset` (`q_bias`),
    the learned rate of concrete dropout (`rate_logit`), and every leaf below a key that names a normalization layer
    (`LayerNorm_0`, `layer_norm`, `ln_f`, `bn1`, `RMSNorm`, ...), in any capitalization. Embeddings are selected; add
    :func:`regjax.masks.exclude` with :func:`regjax.masks.all_of` to leave them out.

    The rule goes by names only. Where layers have none (an Equinox `LayerNorm` inside a tuple has a `weight`), use
    :func:`regjax.masks.min_ndim`.

    Returns:
      A mask; resolving it raises `ValueError` where it selects nothing.

    Examples:
      >>> from regjax import masks
      >>> params = {"Dense_0": {"kernel": 1.0, "bias": 0.0}, "ln_f": {"weight": 1.0}, "embedding": 2.0}
      >>> masks.resolve(masks.no_bias_or_norm(), params)
      {'Dense_0': {'bias': False, 'kernel': True}, 'embedding': True, 'ln_f': {'weight': False}}
    """
    return NoBiasOrNorm()
